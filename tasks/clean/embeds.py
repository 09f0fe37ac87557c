"""Frames, players and posts of other sites: where they lead, and what a reader calls them.

In the soup each of them is an <iframe>, whatever the page made it of, so that the writers know one thing only.
"""

from typing import Final
from urllib.parse import quote, urlsplit

from lxml import etree

from tasks.clean.tags import names

__all__ = ["POST_TAGS", "embed_name", "frame_attributes"]

# Host of the frame's address (sub-domains included) → what a reader calls it.
_HOSTS: Final = {
    "bsky.app": "Bluesky",
    "dailymotion.com": "Dailymotion",
    "datawrapper.dwcdn.net": "Datawrapper",
    "facebook.com": "Facebook",
    "flo.uri.sh": "Flourish",
    "flourish.studio": "Flourish",
    "instagram.com": "Instagram",
    "linkedin.com": "LinkedIn",
    "open.spotify.com": "Spotify",
    "pinterest.com": "Pinterest",
    "platform.twitter.com": "X",
    "reddit.com": "Reddit",
    "redditmedia.com": "Reddit",
    "soundcloud.com": "SoundCloud",
    "t.me": "Telegram",
    "threads.com": "Threads",
    "threads.net": "Threads",
    "tiktok.com": "TikTok",
    "twitch.tv": "Twitch",
    "twitter.com": "X",
    "vimeo.com": "Vimeo",
    "x.com": "X",
    "youtu.be": "YouTube",
    "youtube-nocookie.com": "YouTube",
    "youtube.com": "YouTube",
}
# Hosts whose frames show advertising, ask for consent, count visits, offer buttons or prove that one is no robot.
_NOTHING_TO_READ: Final = frozenset(
    {
        "2mdn.net",
        "addthis.com",
        "adform.net",
        "adnxs.com",
        "adsafeprotected.com",
        "amazon-adsystem.com",
        "casalemedia.com",
        "consensu.org",
        "consentmanager.net",
        "cookiebot.com",
        "criteo.com",
        "criteo.net",
        "doubleclick.net",
        "googleadservices.com",
        "googlesyndication.com",
        "googletagmanager.com",
        "googletagservices.com",
        "hcaptcha.com",
        "hotjar.com",
        "onetrust.com",
        "openx.net",
        "outbrain.com",
        "piano.io",
        "privacy-mgmt.com",
        "pubmatic.com",
        "recaptcha.net",
        "rubiconproject.com",
        "sharethis.com",
        "smartadserver.com",
        "taboola.com",
        "teads.tv",
        "tinypass.com",
        "trustarc.com",
        "usercentrics.eu",
    }
)
# The same by a label of the host: ads.site.example, consent.site.example.
_LABELS: Final = names(
    "ad adclick adlog ads adserver adservice advert banner banners beacon cmp consent cookie cookies counter "
    "metrics newsletter pixel stat stats subscribe tag tags telemetry track tracker tracking widget widgets"
)
# Buttons and prompts of hosts that also have posts to show.
_BUTTONS: Final = ("/plugins/like", "/plugins/share_button", "/plugins/page", "/widgets/follow_button", "/recaptcha/")
POST_TAGS: Final = frozenset({"div", "blockquote"})  # posts whose words a script was to fill in
_POST_ADDRESSES: Final = ("data-href", "data-instgrm-permalink", "cite")
# Elements of AMP pages and of players that load on a click: tag → attribute of the id, address.
_BY_ID: Final = {
    "amp-facebook": ("data-href", "{}"),
    "amp-instagram": ("data-shortcode", "https://www.instagram.com/p/{}/"),
    "amp-reddit": ("data-src", "{}"),
    "amp-tiktok": ("data-src", "https://www.tiktok.com/embed/v2/{}"),
    "amp-twitter": ("data-tweetid", "https://twitter.com/i/status/{}"),
    "amp-vimeo": ("data-videoid", "https://vimeo.com/{}"),
    "amp-youtube": ("data-videoid", "https://www.youtube.com/watch?v={}"),
    "lite-vimeo": ("videoid", "https://vimeo.com/{}"),
    "lite-youtube": ("videoid", "https://www.youtube.com/watch?v={}"),
}
_PLAYERS: Final = frozenset({"audio", "video", "embed", "object"})


def embed_name(url: str) -> str:
    """What to call an embedded frame: its network, else its host; empty where there is nothing to read in it.

    Mastodon runs on any host: its frames are known by their path, /@name/<number>/embed.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host or parts.path.startswith(_BUTTONS):
        return ""
    if known := _network(url):
        return known
    if not _NOTHING_TO_READ.isdisjoint(_domains(host)) or not _LABELS.isdisjoint(host.split(".")[:-2]):
        return ""
    if parts.path.startswith("/@") and parts.path.endswith("/embed"):
        return "Mastodon"
    return host.removeprefix("www.")


def frame_attributes(element: etree._Element) -> dict[str, str]:
    """The attributes of a frame that shows what this element without text shows; empty where it is no embed."""
    tag = str(element.tag)
    if tag in _PLAYERS:
        inner = next(element.iter("source", "embed"), None) if element.get("src") is None else None
        source: str | None = element.get("src") or element.get("data")
        if not source and inner is not None:
            source = inner.get("src")
        return {"src": source} if source else {}
    if tag in _BY_ID:
        name, address = _BY_ID[tag]
        value = element.get(name) or ""
        return {"src": address.format(value if address == "{}" else quote(value, safe=""))} if value else {}
    if tag in POST_TAGS:
        post = next((link for name in _POST_ADDRESSES if (link := element.get(name))), "")
        return {"src": post} if post and _network(post) else {}
    return {"src": element.get("src") or element.get("data-src") or ""} if tag == "amp-iframe" else {}


def _network(url: str) -> str:
    """The name of a network that we know."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:  # such as http://[
        return ""
    return next((_HOSTS[domain] for domain in _domains(host) if domain in _HOSTS), "")


def _domains(host: str) -> list[str]:
    """The host and all domains above it."""
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]
