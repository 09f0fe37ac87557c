"""Frames that show a post, video or recording of another site: which hosts, and what they are called."""

from typing import Final
from urllib.parse import urlsplit

__all__ = ["embed_name"]

# Host of the frame's address (sub-domains included) → what a reader calls it.
_HOSTS: Final = {
    "bsky.app": "Bluesky",
    "dailymotion.com": "Dailymotion",
    "datawrapper.dwcdn.net": "Datawrapper",
    "facebook.com": "Facebook",
    "flo.uri.sh": "Flourish",
    "instagram.com": "Instagram",
    "linkedin.com": "LinkedIn",
    "open.spotify.com": "Spotify",
    "platform.twitter.com": "X",
    "reddit.com": "Reddit",
    "soundcloud.com": "SoundCloud",
    "t.me": "Telegram",
    "threads.net": "Threads",
    "tiktok.com": "TikTok",
    "vimeo.com": "Vimeo",
    "x.com": "X",
    "youtube-nocookie.com": "YouTube",
    "youtube.com": "YouTube",
}


def embed_name(url: str) -> str:
    """What the site of an embedded frame is called, or the empty string where the frame is no known embed.

    Mastodon runs on any host: its frames are known by their path, /@name/<number>/embed.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    while host:
        if host in _HOSTS:
            return _HOSTS[host]
        host = host.partition(".")[2]
    if parts.path.startswith("/@") and parts.path.endswith("/embed"):
        return "Mastodon"
    return ""
