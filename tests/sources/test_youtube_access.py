"""Route youtube: JavaScript runtimes, plug-ins, proxy and tokens reach yt-dlp, and nobody else."""

from __future__ import annotations

import importlib.metadata
import json
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest
import yt_dlp
from support.server import forever
from support.youtube import (
    FakeYtDlp,
    as_video,
    clip_of,
    config_of,
    error,
    fetch,
)

from occludenet_build import config as cfg
from occludenet_build.config.sources import YouTubeAccess
from occludenet_build.core.errors import UserError
from occludenet_build.media.video.synth import write_video
from occludenet_build.sources.kinetics.youtube import access as access_module
from occludenet_build.sources.kinetics.youtube.access import (
    SecretOptions,
    check_ytdlp,
    missing_javascript,
    open_options,
)
from occludenet_build.sources.kinetics.youtube.ytdlp import ytdlp_options

ID = "-access_id_"
TOKEN = "MnSecretTokenABC_-x="
PLUGIN = """
from pathlib import Path
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError

class AccessTestIE(InfoExtractor):
    _VALID_URL = r"http://plug\\.invalid/watch\\?v=(?P<id>.+)"

    def _real_extract(self, url):
        args = self.get_param("extractor_args")
        raise ExtractorError(f"plug-in saw {args} by {self.get_param('proxy')}", expected=True)
"""


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def plugin(folder: Path) -> Path:
    """A package of plug-ins in a folder of packages."""
    package = folder / "mine" / "yt_dlp_plugins" / "extractor"
    package.mkdir(parents=True)
    (package / "access_test.py").write_text(PLUGIN)
    return folder


def zipped(folder: Path) -> Path:
    path = folder.parent / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("yt_dlp_plugins/extractor/access_test.py", PLUGIN)
    return path


# -- JavaScript


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """A machine without runtimes."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(access_module.sysconfig, "get_path", lambda name: str(tmp_path / "none"))
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("runtimes", "programs", "lacks"),
    [
        (["deno"], {"deno": "deno 2.9.8 (stable)"}, None),
        (["deno"], {}, "the program deno is not found"),
        (["deno"], {"node": "v22.1.0"}, "the program deno is not found"),
        (["deno"], {"deno": "deno 2.2.9"}, "deno is 2.2.9, wanted 2.3.0 or newer"),
        (["node"], {"node": "v22.1.0"}, None),
        (["node"], {"node": "v20.20.2"}, "node is 20.20.2, wanted 22.0.0 or newer"),
        (["deno", "bun"], {"bun": "1.3.0"}, None),
        (["quickjs"], {"qjs": "QuickJS-ng version 0.10.0"}, None),
        (["quickjs"], {"qjs": "QuickJS version 2025-04-26"}, None),
        (["bun"], {"bun": "no version"}, "does not say its version"),
        ([], {"deno": "deno 2.9.8"}, "js_runtimes names none"),
    ],
)
def test_what_lacks_for_javascript_is_one_line(nothing, runtimes, programs, lacks):
    for name, says in programs.items():
        program(nothing, name, says)
    said = missing_javascript(YouTubeAccess(js_runtimes=tuple(runtimes)))
    if lacks is None:
        assert said is None
    else:
        assert lacks in said and "occludenet-build[youtube]" in said and "\n" not in said


def test_a_runtime_by_its_path(nothing, tmp_path):
    path = program(tmp_path / "opt", "node", "v23.0.0")
    for given in (path, path.parent):
        assert missing_javascript(YouTubeAccess(js_runtimes=(f"node:{given}",))) is None
    with pytest.raises(UserError, match=r"wanted the program of deno, .*/none is none"):
        missing_javascript(YouTubeAccess(js_runtimes=(f"deno:{tmp_path}/none",)))
    options = open_options(YouTubeAccess(js_runtimes=(f"node:{path}", "bun")), tmp_path)
    said = yt_dlp.parse_options(options).ydl_opts
    assert said["js_runtimes"] == {"node": {"path": str(path)}, "bun": {"path": None}}


def test_an_old_ytdlp_is_refused(monkeypatch):
    check_ytdlp()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2025.10.22")
    with pytest.raises(UserError, match=r"wanted yt-dlp 2025\.11\.12 or newer, got 2025\.10\.22"):
        check_ytdlp()


# -- what the settings accept


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"js_runtimes": ["rhino"]}, "wanted one of deno, node, quickjs, bun"),
        ({"proxy": f"me:{TOKEN}"}, "wanted an address such as"),
        ({"proxy": [f"http://me:{TOKEN}@h"]}, r"wanted a text, got \*\*\* \(list\)"),
        ({"extractor_args": [f"po_token={TOKEN}"]}, r"got \*\*\*"),
        ({"extractor_args": TOKEN}, r"wanted a list, got \*\*\* \(str\)"),
        ({"plugins": ["nowhere"]}, "wanted an existing path"),
    ],
)
def test_settings_that_are_wrong_are_not_quoted(settings, said):
    with pytest.raises(UserError, match=said) as caught:
        cfg.load_part({"download": {"youtube": settings}})
    assert TOKEN not in str(caught.value)


def test_settings_that_are_right(tmp_path):
    settings = {
        "plugins": ["default", str(plugin(tmp_path))],
        "proxy": "socks5h://${LOGIN}@proxy.example:1080",
        "extractor_args": ["youtube:player_client=mweb;po_token=mweb.gvs+${PO_TOKEN}"],
        "js_runtimes": ["node:/opt/node", "deno"],
    }
    found = cfg.load_part({"download": {"youtube": settings}}).download.youtube
    assert found.plugins == ("default", str(tmp_path)) and found.proxy == settings["proxy"]


# -- secrets


def test_secrets_are_on_standard_input_only(monkeypatch, tmp_path):
    monkeypatch.setenv("LOGIN", "me:${TOKEN}")
    monkeypatch.setenv("PO_TOKEN", TOKEN)
    access = YouTubeAccess(
        proxy="http://${LOGIN}@proxy.example:8080",
        extractor_args=("youtube:po_token=mweb.gvs+${PO_TOKEN}", "youtube:player_client=mweb"),
    )
    secrets = SecretOptions(access)
    assert TOKEN in secrets.configuration and secrets.options == ["--config-locations", "-"]
    config = config_of(access={"proxy": access.proxy, "extractor_args": access.extractor_args})
    assert TOKEN not in json.dumps(ytdlp_options(config, tmp_path))
    assert SecretOptions(YouTubeAccess()).options == []


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(UserError, match="wanted the environment variable NO_SUCH"):
        SecretOptions(YouTubeAccess(proxy="http://${NO_SUCH}@h:1"))


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: cannot reach http://me:s3cret@proxy:8080",
        "ERROR: login s3cret refused",
        f"ERROR: args {{'po_token': ['mweb.gvs+{TOKEN}']}}",
        f"ERROR: url https://x/?pot={TOKEN.replace('=', '%3D')}",
        "WARNING: other proxy http://other:pass@h",
    ],
)
def test_what_ytdlp_prints_is_read_without_secrets(text):
    access = YouTubeAccess(
        proxy="http://me:s3cret@proxy:8080",
        extractor_args=(f"youtube:po_token=web.gvs+abcd1234,mweb.gvs+{TOKEN}",),
    )
    said = SecretOptions(access).redacted(text)
    assert "***" in said and said.startswith(text[:7])
    for secret in ("s3cret", TOKEN, TOKEN[:-1], "other:pass"):
        assert secret not in said


def test_no_secret_is_in_a_row_a_log_or_a_command(tmp_path, monkeypatch, caplog):
    """A yt-dlp that prints its proxy and token in its message."""
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer(ID, error(f"[youtube] {ID}: proxy http://me:s3cret@h:1 and token {TOKEN}"))
    monkeypatch.setenv("PO_TOKEN", TOKEN)
    given = {
        "proxy": "http://me:s3cret@h:1",
        "extractor_args": ("youtube:po_token=mweb.gvs+${PO_TOKEN}",),
    }
    (result,) = fetch_all(tmp_path / "out", config_of(access=given))
    assert result.detail == "proxy http://***@h:1 and token ***"
    written = [p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()]
    texts = [caplog.text, fake.log.read_text(), b"".join(written).decode("latin-1")]
    assert "s3cret" not in "".join(texts) and TOKEN not in "".join(texts)


def fetch_all(folder: Path, config):
    from occludenet_build.sources.kinetics.youtube.fetch import fetch_clips

    return list(fetch_clips([clip_of(ID)], folder, config, threads=1))


# -- yt-dlp itself


@pytest.mark.parametrize("form", ["folder", "package", "zip", "none"])
def test_a_plug_in_runs_where_it_is_given(tmp_path, form):
    """It tells of the proxy and the arguments that it has; the row does not."""
    folder = plugin(tmp_path / "plugins")
    forms = {"folder": folder, "package": folder / "mine", "zip": zipped(folder)}
    given = {
        "plugins": (str(forms[form]),) if form in forms else (),
        "proxy": "http://me:s3cret@127.0.0.1:9",
        "extractor_args": (f"youtube:po_token=mweb.gvs+{TOKEN}",),
    }
    config = config_of("http://plug.invalid/watch?v={id}", access=given)
    (result,) = fetch_all(tmp_path / "out", config)
    assert result.reason == ("extractor_failed" if form in forms else "connection_lost")
    if form in forms:
        assert result.detail.startswith("plug-in saw {'youtube': {'po_token': ['***")
        assert "http://***@127.0.0.1:9" in result.detail
    assert "s3cret" not in result.detail and TOKEN not in result.detail


def test_a_folder_without_plug_ins_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    config = config_of(access={"plugins": (str(tmp_path / "empty"),)})
    with pytest.raises(UserError, match=r"wanted a folder or zip with plug-ins"):
        fetch_all(tmp_path / "out", config)


def test_a_proxy_with_a_password_is_used(site, tmp_path, monkeypatch):
    from fractions import Fraction

    from conftest import moving_square

    monkeypatch.delenv("NO_PROXY", raising=False)
    write_video(tmp_path / "a.mp4", moving_square(100, 96, 64), Fraction(10))
    content = (tmp_path / "a.mp4").read_bytes()
    address = f"http://video.invalid/watch?v={ID}"
    site.put(address, content, forever(as_video()))
    port = site.url("").rpartition(":")[2]
    monkeypatch.setenv("LOGIN", "me:p%40ss-w0rd")
    config = config_of(
        "http://video.invalid/watch?v={id}",
        access={"proxy": f"http://${{LOGIN}}@127.0.0.1:{port}"},
    )
    found = fetch([clip_of(ID)], tmp_path / "out", config)
    assert found == {ID: ("present", None)}
    assert {seen.path for seen in site.seen} == {address}
    wanted = "Basic " + b64encode(b"me:p@ss-w0rd").decode()
    assert {seen.proxy_authorization for seen in site.seen} == {wanted}


# -- formats that yt-dlp saw


@pytest.mark.parametrize(
    ("formats", "reason", "said"),
    [
        ([{"vcodec": "avc1", "width": 1280, "height": 720}], "no_format", "smallest is 720 pixels"),
        ([{"vcodec": "avc1", "width": 720, "height": 1280}], "no_format", "smallest is 720 pixels"),
        ([{"vcodec": "none", "width": 48, "height": 27}], "extractor_failed", "pictures or sound"),
        ([{"vcodec": "none"}], "extractor_failed", "pictures or sound only"),
        (None, "no_format", "not available"),
    ],
)
def test_no_format_is_final_only_where_there_are_others(
    tmp_path, monkeypatch, formats, reason, said
):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    answer = error(f"[youtube] {ID}: Requested format is not available. Use --list-formats")
    fake.answer(ID, answer | ({"facts": {"formats": formats}} if formats else {}))
    (result,) = fetch_all(tmp_path / "out", config_of())
    assert result.reason == reason and said in result.detail


def test_ytdlp_writes_the_formats_that_it_saw(tmp_path):
    """The template, by yt-dlp's own code."""
    said = yt_dlp.parse_options(ytdlp_options(config_of(), tmp_path)).ydl_opts
    (template,) = [t for t, _ in said["print_to_file"]["pre_process"] if "formats" in t]
    info = {"formats": [{"format_id": "1", "vcodec": "avc1", "width": 640, "height": 360}]}
    with yt_dlp.YoutubeDL({"quiet": True}) as loader:
        line = loader.evaluate_outtmpl(template, info)
    assert json.loads(line) == {"formats": [{"vcodec": "avc1", "width": 640, "height": 360}]}
    with yt_dlp.YoutubeDL({"quiet": True}) as loader:
        assert json.loads(loader.evaluate_outtmpl(template, {"id": "x"}))["formats"] in ([], None)
