"""Tokens and passwords of gated addresses: which server gets them, and that nobody else does."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from pathlib import Path

import pytest
from support.archives import zip_of
from support.kinetics import QUICK
from support.server import Site, forever, redirect, status

from occludenet_build import config as cfg
from occludenet_build.config.sources import Downloads
from occludenet_build.core.errors import UserError
from occludenet_build.sources.acquire.command import acquire_archives
from occludenet_build.sources.transfer import credentials
from occludenet_build.sources.transfer.credentials import auth_for, token_variable
from occludenet_build.sources.transfer.download import Download, Outcome
from occludenet_build.sources.transfer.parallel import download_all

SECRET = "s3cret-Token_9"
VARIABLE = "OCCLUDENET_TOKEN_127_0_0_1"
BASIC = "Basic " + b64encode(f"me:{SECRET}".encode()).decode()


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NETRC", "HF_TOKEN", "HF_ENDPOINT", VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def other(site):
    with Site() as other:
        other.put("/b.bin", b"content")
        yield other


def gate(handler, entity) -> None:
    """Only who is known gets the file."""
    if handler.headers["Authorization"] in (f"Bearer {SECRET}", BASIC):
        handler.serve(entity)
    else:
        handler.answer(401, b"who are you?")


def gated(site: Site, path: str, content: bytes = b"content") -> str:
    site.put(path, content, forever(gate))
    return site.url(path)


def get(url: str, folder: Path) -> Outcome:
    settings = Downloads(retries=1, backoff_seconds=0.0, timeout_seconds=5.0, failure_budget=1.0)
    (outcome,) = download_all([Download(url, folder / "a.bin")], settings)
    return outcome


def netrc(tmp_path: Path, monkeypatch, text: str) -> None:
    path = tmp_path / "netrc"
    path.write_text(text)
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.parametrize("way", ["token", "netrc", "home", "address", "hugging face"])
def test_each_way_opens_the_gate(site, tmp_path, monkeypatch, way):
    url = gated(site, "/a.bin")
    entry = f"machine 127.0.0.1 login me password {SECRET}\n"
    if way == "token":
        monkeypatch.setenv(VARIABLE, f"{SECRET}\n")
    elif way == "netrc":
        netrc(tmp_path, monkeypatch, entry)
    elif way == "home":
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / ".netrc").write_text(entry)
    elif way == "address":
        url = url.replace("//", f"//me:{SECRET}@")
    else:
        monkeypatch.setenv("HF_TOKEN", SECRET)
        monkeypatch.setenv("HF_ENDPOINT", site.url(""))
    assert get(url, tmp_path).status == "ok"
    assert site.seen[-1].authorization in (f"Bearer {SECRET}", BASIC)


def test_a_refusal_says_what_to_set_and_not_the_secret(site, tmp_path, monkeypatch, caplog):
    site.put("/a.bin", b"", forever(status(401)))
    outcome = get(site.url("/a.bin"), tmp_path)
    assert outcome.reason == "forbidden" and f"set {VARIABLE}" in outcome.detail
    monkeypatch.setenv(VARIABLE, SECRET)
    outcome = get(site.url("/a.bin"), tmp_path)
    assert outcome.detail == "HTTP 401, although credentials were sent"
    assert SECRET not in caplog.text


@pytest.mark.parametrize("way", ["token", "netrc", "default", "address", "hugging face"])
def test_no_credentials_cross_a_redirect(site, other, tmp_path, monkeypatch, way):
    """The other server has the same name and another port, as well as the same netrc entry."""
    site.put("/a.bin", b"", redirect(other.url("/b.bin")))
    url = site.url("/a.bin")
    if way == "token":
        monkeypatch.setenv(VARIABLE, SECRET)
    elif way == "netrc":
        netrc(tmp_path, monkeypatch, f"machine 127.0.0.1 login me password {SECRET}")
    elif way == "default":
        netrc(tmp_path, monkeypatch, f"default login me password {SECRET}")
    elif way == "address":
        url = url.replace("//", f"//me:{SECRET}@")
    else:
        monkeypatch.setenv("HF_TOKEN", SECRET)
        monkeypatch.setenv("HF_ENDPOINT", site.url(""))
    assert get(url, tmp_path).status == "ok"
    assert site.seen[0].authorization is not None
    assert [seen.authorization for seen in other.seen] == [None]


def test_a_redirect_within_the_server_keeps_them(site, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, SECRET)
    gated(site, "/b.bin")
    site.put("/a.bin", b"", redirect("/b.bin"))
    assert get(site.url("/a.bin"), tmp_path).status == "ok"


@pytest.mark.parametrize(
    ("asked", "url", "sent"),
    [
        ("https://huggingface.co/x", "https://huggingface.co/x", True),
        ("https://huggingface.co/x", "https://cdn-lfs.hf.co/x", False),
        ("https://huggingface.co/x", "https://huggingface.co.evil.org/x", False),
        ("https://huggingface.co/x", "http://huggingface.co/x", False),
        ("http://huggingface.co/x", "http://huggingface.co/x", False),
        ("https://evil.org/x", "https://huggingface.co/x", False),
        ("https://notHuggingface.co/x", "https://notHuggingface.co/x", False),
        ("https://gated.org/x", "https://gated.org/y", True),
        ("https://gated.org/x", "https://GATED.org:443/y", True),
        ("https://gated.org/x", "https://gated.org:8443/y", False),
        ("http://gated.org/x", "https://gated.org/y", True),
        ("https://gated.org/x", "http://gated.org/y", False),
        ("https://a.gated.org/x", "https://gated.org/y", False),
    ],
)
def test_who_gets_a_token(monkeypatch, asked, url, sent):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("OCCLUDENET_TOKEN_GATED_ORG", SECRET)
    assert (auth_for(url, asked).header is not None) == sent


def test_netrc_has_an_entry_of_its_own_for_another_host(tmp_path, monkeypatch):
    netrc(
        tmp_path,
        monkeypatch,
        f"machine b.org login me password {SECRET}\ndefault login x password y",
    )
    assert auth_for("https://b.org/x", "https://a.org/x").header == BASIC
    assert auth_for("https://c.org/x", "https://a.org/x").header is None


def test_hosts_do_not_share_a_variable():
    hosts = ["a.b.org", "a-b.org", "a--b.org", "ab.org", "a.borg"]
    assert len({token_variable(host) for host in hosts}) == len(hosts)


def test_a_token_that_no_header_can_hold_is_not_quoted(site, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{SECRET}\nX-Evil: 1")
    with pytest.raises(UserError, match=VARIABLE) as caught:
        get(gated(site, "/a.bin"), tmp_path)
    assert SECRET not in str(caught.value) and site.seen == []


def test_a_broken_netrc_is_named_and_not_quoted(site, tmp_path, monkeypatch, caplog):
    credentials._netrc_entries.cache_clear()
    netrc(tmp_path, monkeypatch, f"machine 127.0.0.1 login me pass word {SECRET}")
    assert get(gated(site, "/a.bin"), tmp_path).reason == "forbidden"
    assert "netrc" in caplog.text and SECRET not in caplog.text


def test_no_secret_is_in_a_log_a_table_or_a_record(site, other, tmp_path, monkeypatch, caplog):
    """Archives by token, by an address with a password, and behind a redirect that fails."""
    caplog.set_level(logging.DEBUG, "occludenet_build")
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(VARIABLE, SECRET)
    content = zip_of(("Abuse/Abuse001_x264.mp4", b"a"))
    gated(site, "/one.zip", content)
    gated(site, "/two.zip", content)
    gated(other, "/gated.zip", content)
    site.put("/three.zip", b"", redirect(other.url("/gated.zip")))
    urls = [site.url(f"/{name}.zip") for name in ("one", "two", "three")]
    urls[1] = urls[1].replace("//", f"//me:{SECRET}@")
    values = {"segments": {"archives": urls}, "download": QUICK}
    acquire_archives(cfg.load_part(values), tmp_path / "videos", tmp_path / "out" / "a.json")
    note = json.loads((tmp_path / "out" / "a.json").read_text())
    assert sorted(row["status"] for row in note["archives"]) == ["failed", "ok", "ok"]
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert SECRET.encode() not in b"".join(written) and SECRET not in caplog.text
