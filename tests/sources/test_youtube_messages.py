"""What yt-dlp says on its standard error, and the reason that is made of it."""

# ruff: noqa: E501
from __future__ import annotations

import pytest

from occludenet_build.core.errors import REASONS, TRANSIENT
from occludenet_build.sources.kinetics.youtube.messages import failure_from_log

WHY = "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ#how-do-i-pass-cookies-to-yt-dlp  for how to manually pass cookies. Also see  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#exporting-youtube-cookies  for tips on effectively exporting YouTube cookies"
BUG = "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U"
LIMITED = "has been rate-limited by YouTube for up to an hour. It is recommended to use `-t sleep` to add a delay between video requests to avoid exceeding the rate limit. For more information, refer to  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#this-content-isnt-available-try-again-later"
POOL = "HTTPSConnectionPool(host='www.youtube.com', port=443): Read timed out. (read timeout=20.0)"

# (reason, message). Where a message comes from: "source" is yt-dlp 2026.10.26 itself, "seen" is
# what it printed here against a server on loopback, the others are public reports.
MESSAGES = [
    # no service at all
    ("bot_check", f"[youtube] tpUr8xVxj-w: Sign in to confirm you’re not a bot. {WHY}"),  # yt-dlp issue 11981
    ("bot_check", "[youtube] bzyMLoSwYvk: Sign in to confirm you're not a bot. This helps protect our community. Learn more"),  # ytdlp-interface issue 181
    ("bot_check", "[youtube] aaaaaaaaaaa: Video unavailable. YouTube is requiring a captcha challenge before playback"),  # source, youtube/_video.py
    ("bot_check", "[youtube] aaaaaaaaaaa: All player responses are invalid. Your IP is likely being blocked by Youtube"),  # source, youtube/_video.py
    ("bot_check", f"[youtube] aaaaaaaaaaa: Please sign in. {WHY}"),  # remembered, with the hint of the source
    ("too_many_requests", f"[youtube] 8NxoMpXM2oI: Video unavailable. This content isn't available, try again later. The current session {LIMITED}"),  # neodlp issue 40
    ("too_many_requests", f"[youtube] SOWBtuuCDig: Video unavailable. This content isn't available, try again later. Your account {LIMITED}"),  # video2commons issue 288
    ("too_many_requests", "[youtube] aaaaaaaaaaa: Unable to download API page: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: Too Many Requests>)"),  # yt-dlp issue 7143
    ("too_many_requests", "[generic] 429: Unable to download webpage: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: Too Many Requests>)"),  # seen
    # gone for good
    ("login_required", f"[youtube] 4w8ua3cB_nA: Private video. Sign in if you've been granted access to this video. {WHY}"),  # yt-dlp issue 2027
    ("login_required", "[youtube] aaaaaaaaaaa: This video is private. If the owner of this video has granted you access, please sign in."),  # youtube-gesture-dataset issue 5
    ("unavailable", "[youtube] aaaaaaaaaaa: Video unavailable. This video has been removed by the uploader"),  # VIDI issue 1
    ("unavailable", "[youtube] aaaaaaaaaaa: This video has been removed for violating YouTube's policy on hate speech. Learn more about combating hate speech in your country."),  # a public list of YouTube's texts
    ("unavailable", "[youtube] aaaaaaaaaaa: Video unavailable. This video is no longer available due to a privacy claim by a third party"),  # a public list of YouTube's texts
    ("unavailable", "[youtube] BhwokVwxY_Y: Video unavailable. This video is no longer available because the YouTube account associated with this video has been terminated."),  # VIDI issue 1
    ("unavailable", "[youtube] aaaaaaaaaaa: Video unavailable. This video is no longer available because the uploader has closed their YouTube account."),  # a public list of YouTube's texts
    ("unavailable", "[youtube] aaaaaaaaaaa: This account has been terminated because we received multiple third-party claims of copyright infringement"),  # a public list of YouTube's texts
    ("unavailable", "[youtube] aaaaaaaaaaa: Video unavailable. This video is no longer available due to a copyright claim by Example Records"),  # a public Discord bot
    ("unavailable", "[youtube] Tk_h-6cCQy0: Video unavailable. This video contains content from UMG, who has blocked it in your country on copyright grounds."),  # youtube-dl issue 19015
    ("unavailable", "[youtube] aaaaaaaaaaa: The uploader has not made this video available in your country\nThis video is available in Germany, Austria.\nYou might want to use a VPN or a proxy server (with --proxy) to workaround."),  # source, YoutubeDL.py
    ("unavailable", "[youtube] aaaaaaaaaaa: Video unavailable. This video is not available in your country"),  # a public list of YouTube's texts
    ("unavailable", "[youtube] aaaaaaaaaaa: This video is not available from your location due to geo restriction\nYou might want to use a VPN or a proxy server (with --proxy) to workaround."),  # source, extractor/common.py
    ("login_required", f"[youtube] r_jCBNSsrWs: Sign in to confirm your age. This video may be inappropriate for some users. {WHY}"),  # youtube-dl issue 22188
    ("login_required", "[youtube] aaaaaaaaaaa: This video is age-restricted and only available on YouTube. Learn more"),  # remembered, not looked up
    ("login_required", "[youtube] h7aSM88pUv8: Join this channel to get access to members-only content like this video, and other exclusive perks."),  # youtube-dl issue 32765
    ("login_required", "[youtube] t0_4P09qL8k: This video is available to this channel's members on level: Private video club (or any higher level). Join this channel to get access to members-only content and other exclusive perks."),  # FluentYTDL issue 59, the level another
    ("login_required", "[youtube] aaaaaaaaaaa: This video is only available to Music Premium members"),  # several wrappers' lists
    ("login_required", "[youtube] aaaaaaaaaaa: This video requires payment to watch."),  # a public list of YouTube's texts
    ("unavailable", "[youtube] aaaaaaaaaaa: Video unavailable"),  # youtube-dl issue 25945
    ("unavailable", "[youtube] tUBUqJSGr54: This video is unavailable."),  # youtube-dl issue 18048
    ("unavailable", "[youtube] aaaaaaaaaaa: This video isn't available anymore"),  # a public list of YouTube's texts
    ("unavailable", "[youtube] aaaaaaaaaaa: This video does not exist."),  # a public list of YouTube's texts
    ("unavailable", "[youtube] jfKfPfyJRdk: This live stream recording is not available."),  # a public list of YouTube's texts
    ("no_format", "[youtube] 9rdJJMAd-PA: Requested format is not available. Use --list-formats for a list of available formats"),  # tg-ytdlp-bot issue 176
    ("no_format", "[youtube] aaaaaaaaaaa: This video is DRM protected"),  # source, extractor/common.py
    # not yet
    ("live", "[youtube] CviUGzWvm6w: Premieres in 6 hours"),  # ytdl-sub issue 1323
    ("live", "[youtube] zDDmqpnkPy8: This live event will begin in 2 days."),  # ytdl-sub issue 1323
    ("live", "[youtube] aaaaaaaaaaa: We're processing this video. Check back later."),  # remembered, not looked up
    # YouTube and this yt-dlp do not understand each other
    ("extractor_failed", "[youtube] ViRpg0LHH8s: The page needs to be reloaded.. The page needs to be reloaded."),  # yt-dlp issue 17389
    ("extractor_failed", "[youtube] Q1kmXoeeKAE: The following content is not available on this app.. Watch on the latest version of YouTube."),  # yt-dlp issue 10108
    ("extractor_failed", f"[youtube] Nq2wYlWFucg: Failed to extract any player response{BUG}"),  # yt-dlp issue 11279
    ("extractor_failed", f"[youtube] aaaaaaaaaaa: No video formats found!{BUG}"),  # source, YoutubeDL.py
    ("extractor_failed", "unable to download video data: HTTP Error 403: Forbidden"),  # video2commons issue 288
    ("extractor_failed", "Postprocessing: Conversion failed!"),  # source, postprocessor/ffmpeg.py
    ("extractor_failed", "[youtube] aaaaaaaaaaa: Something that nobody has seen yet"),
    ("extractor_failed", "unable to download video data: the TLS connection was terminated"),  # an outage is never final
    # YouTube of today: formats withheld, service refused
    ("bot_check", "[youtube] dQw4w9WgXcQ: Unable to download API page: HTTP Error 403: Forbidden (caused by <HTTPError 403: Forbidden>)"),  # yt-dlp issue 17681
    ("bot_check", "[youtube] aaaaaaaaaaa: Video unavailable. The video is restricted. Please check the Google Workspace administrator and/or the network administrator restrictions."),  # a public list of YouTube's texts
    ("extractor_failed", "\r[download] Got error: HTTP Error 403: Forbidden. Giving up after 1 retries"),  # source, downloader/common.py, utils/_utils.py
    ("extractor_failed", "\r[download] Got error: HTTP Error 403: Forbidden"),  # source, as above without retries
    ("connection_lost", "fragment 12 not found, unable to continue"),  # source, downloader/fragment.py
    ("extractor_failed", f"[youtube] aaaaaaaaaaa: Unable to extract yt initial data{BUG}"),  # yt-dlp issue 11094
    ("connection_lost", "[youtube] aaaaaaaaaaa: Unable to download API page: ('Unable to connect to proxy', NewConnectionError(\"HTTPSConnection(host='127.0.0.1', port=9): Failed to establish a new connection: [Errno 111] Connection refused\")) (caused by ProxyError(…))"),  # seen
    ("extractor_failed", "[youtube] aaaaaaaaaaa: Unable to download API page: <urlopen error Tunnel connection failed: 407 Proxy Authentication Required> (caused by ProxyError('<urlopen error Tunnel connection failed: 407 Proxy Authentication Required>'))"),  # spotify-downloader issue 1999
    # the network
    ("timed_out", f'[youtube] aaaaaaaaaaa: Unable to download API page: {POOL} (caused by TransportError("{POOL}"))'),  # tgbot-collection/ytdlbot issue 505
    ("timed_out", "[youtube] KJybu1Y2tyY: Unable to download API page: (<HTTPSConnection(host='www.youtube.com', port=443) at 0x1f029f5d150>, 'Connection to www.youtube.com timed out. (connect timeout=20.0)')"),  # yt-dlp issue 17671
    ("connection_lost", "\r[download] Got error: 5000 bytes read, 87004 more expected. Giving up after 1 retries"),  # seen
    ("connection_lost", "Did not get any data blocks"),  # seen
    ("connection_lost", "The downloaded file is empty"),  # source, downloader/fragment.py
    ("connection_lost", "[generic] x: Unable to download webpage: HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: [Errno 111] Connection refused (caused by TransportError(\"…\"))"),  # seen
    ("connection_lost", "[generic] x: Unable to download webpage: HTTPConnection(host='nonexistent.invalid', port=80): Failed to resolve 'nonexistent.invalid' ([Errno -2] Name or service not known) (caused by TransportError(\"…\"))"),  # seen
    ("connection_lost", "content too short (expected 10000 bytes and served 5000)"),  # source, YoutubeDL.py
    ("bad_certificate", "[youtube] aaaaaaaaaaa: Unable to download API page: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006) (caused by CertificateVerifyError)"),  # source, networking
    ("server_error", "[generic] 500: Unable to download webpage: HTTP Error 503: Service Unavailable (caused by <HTTPError 503: Service Unavailable>)"),  # seen
    ("not_found", "[generic] none: Unable to download webpage: HTTP Error 404: Not Found (caused by <HTTPError 404: Not Found>)"),  # seen
    ("forbidden", "[generic] 403: Unable to download webpage: HTTP Error 403: Forbidden (caused by <HTTPError 403: Forbidden>)"),  # seen
    ("not_a_video", "Unsupported URL: http://127.0.0.1:34653/html"),  # seen
    ("bad_url", "[generic] '-rf' is not a valid URL"),  # seen
    ("bad_url", "[youtube:truncated_id] N_708QY7Ob: Incomplete YouTube ID N_708QY7Ob. URL https://www.youtube.com/watch?v=N_708QY7Ob looks truncated."),  # source, youtube/_mistakes.py
]  # fmt: skip


@pytest.mark.parametrize(("reason", "message"), MESSAGES, ids=lambda text: text[:60])
def test_a_message_has_its_reason(reason, message):
    error = failure_from_log(f"WARNING: [youtube] something else\nERROR: {message}\n")
    assert error.reason == reason
    assert 0 < len(error.detail) <= 300
    for advice in ("--cookies", "please report", "caused by", "VPN", "[youtube]", "\n"):
        assert advice not in error.detail


def test_what_is_gone_is_not_asked_for_again_and_what_passes_is():
    gone = {"unavailable", "login_required", "no_format"}
    assert gone <= REASONS.keys() and not gone & TRANSIENT
    assert {"bot_check", "too_many_requests", "extractor_failed", "live"} <= TRANSIENT


LIMIT = "WARNING: [youtube] Unable to download API page: HTTP Error 429: Too Many Requests\n"
NO_JS = "WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default; YouTube extraction without a JS runtime has been deprecated, and some formats may be missing\n"


NO_FORMAT = "ERROR: [youtube] a: Requested format is not available. Use --list-formats for a list of available formats\n"
ONLY_IMAGES = "WARNING: Only images are available for download. use --list-formats to see them\n"
# What yt-dlp warns of before that, when YouTube has withheld the formats: the video may be there.
WITHHELD = [
    "WARNING: [youtube] 9TgosbGRsTk: Some tv client https formats have been skipped as they are missing a url. YouTube may have enabled the SABR-only or Server-Side Ad Placement experiment for the current session. See  https://github.com/yt-dlp/yt-dlp/issues/12482  for more details\n",  # openzim/youtube issue 430
    "WARNING: [youtube] h_oN3ZVt-7E: Some mweb client https formats have been skipped as they are missing a URL. YouTube may have enabled the SABR-only streaming experiment for your account. See  https://github.com/yt-dlp/yt-dlp/issues/12482  for more details\n",  # yt-dlp issue 17666, source
    "WARNING: [youtube] 9TgosbGRsTk: Some web client https formats have been skipped as they are missing a url. YouTube is forcing SABR streaming for this client. See  https://github.com/yt-dlp/yt-dlp/issues/12482  for more details\n",  # openzim/youtube issue 430
    'WARNING: [youtube] duoKPS6dMZ8: mweb client https formats require a GVS PO Token which was not provided. They will be skipped as they may yield HTTP Error 403. You can manually pass a GVS PO Token for this client with --extractor-args "youtube:po_token=mweb.gvs+XXX". For more information, refer to  https://github.com/yt-dlp/yt-dlp/wiki/PO-Token-Guide\n',  # yt-dlp issue 17013
    "WARNING: [youtube] vvhJImcJZeE: nsig extraction failed: Some formats may be missing\n         n = g99Q4s360g0o49IkuI66 ; player = https://www.youtube.com/s/player/59b252b9/player_ias.vflset/en_US/base.js\n",  # Termux-YTD2.0 issue 8
    "WARNING: [youtube] vWE1Ixsg2BU: n challenge solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed. Review any warnings presented before this message. For more details, refer to https://github.com/yt-dlp/yt-dlp/wiki/EJS\n",  # youtube-dl-gui issue 702
    "WARNING: [youtube] _uk8TUcatB4: Signature solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed.\n",  # yt-dlp issue 14927
    "WARNING: [youtube] [pot:bgutil:http] Error reaching GET http://127.0.0.1:4416/ping (caused by TransportError). Please make sure that the server is reachable at http://127.0.0.1:4416.\n",  # MyTube issue 160
    "WARNING: [youtube] [jsc:deno] Challenge solver lib script version 0.3.0 is not supported (source: python package, variant: minified, supported version: 0.8.0)\n",  # source, jsc/_builtin/ejs.py
    "WARNING: [youtube] [jsc] Remote components challenge solver script (deno) and NPM package (deno) were skipped. These may be required to solve JS challenges. You can enable these downloads with  --remote-components ejs:github  (recommended) or  --remote-components ejs:npm, respectively\n",  # source, jsc/_director.py
    "WARNING: [youtube] a: Some tv client https formats have been skipped as they are DRM protected. The current session may have an experiment that applies DRM to all videos on the tv client. See  https://github.com/yt-dlp/yt-dlp/issues/12563  for more details.\n",  # source, youtube/_video.py
    "",  # nothing but that only pictures came
]


@pytest.mark.parametrize("warning", WITHHELD, ids=lambda text: text[:70])
def test_formats_that_youtube_withholds_are_asked_for_again(warning):
    error = failure_from_log(warning + ONLY_IMAGES + NO_FORMAT)
    assert error.reason == "extractor_failed" and error.reason in TRANSIENT
    assert error.detail.startswith("Requested format is not available after: ")
    assert failure_from_log(NO_FORMAT).reason == "no_format"


def test_cookies_that_youtube_has_ended_are_said():
    ended = "WARNING: [youtube] The provided YouTube account cookies are no longer valid. They have likely been rotated in the browser as a security measure. For tips on how to effectively export YouTube cookies, refer to  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#exporting-youtube-cookies .\n"  # yt-dlp issue 14872
    bot = f"ERROR: [youtube] a: Sign in to confirm you’re not a bot. {WHY}\n"
    error = failure_from_log(ended + bot)
    assert error.reason == "bot_check"
    assert error.detail.endswith("after: The provided YouTube account cookies are no longer valid")


@pytest.mark.parametrize(
    ("log", "reason", "said"),
    [
        (LIMIT + "ERROR: [youtube] a: Failed to extract any player response" + BUG,
         "too_many_requests", "HTTP Error 429"),
        (LIMIT + "ERROR: [youtube] a: Video unavailable", "too_many_requests", "HTTP Error 429"),
        (LIMIT + "ERROR: [youtube] a: Private video", "login_required", "Private video"),
        (NO_JS + "ERROR: [youtube] a: Requested format is not available. Use --list-formats",
         "extractor_failed", "JavaScript runtime"),
        (f"WARNING: [youtube] {POOL}. Retrying (1/3)...\nERROR: [youtube] a: Failed to extract "
         "any player response", "timed_out", "Read timed out"),
        ("ERROR: first\nERROR: [youtube] a: Private video\n", "login_required", "Private video"),
        ("Traceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'x'\n",
         "extractor_failed", "KeyError: 'x'"),
        ("", "extractor_failed", "yt-dlp ended without a message"),
        ("ERROR: \n", "extractor_failed", "yt-dlp ended without a message"),
    ],
)  # fmt: skip
def test_a_whole_log_is_read(log, reason, said):
    error = failure_from_log(log)
    assert error.reason == reason and said in error.detail


def test_a_message_cannot_write_into_a_terminal_or_fill_a_table():
    error = failure_from_log("ERROR: [youtube] a: \x1b[31mred\x07 " + "x" * 10_000)
    assert error.detail.isprintable() and len(error.detail) == 300
