"""A stored bundle shown in a browser, on loopback, as it was captured: nothing is asked of the live web.

Two servers, so two origins: one has our own page, the frame with what is known of the bundle; the other one has what
was archived, and nothing else. What was archived is shown in a sandbox without an origin, under a policy that lets it
load from that second server alone, whatever its scripts do.

| file | does |
| --- | --- |
| holdings.py | what a bundle holds, by URL |
| places.py | where on the second server an archived URL is |
| sheets.py, html.py | the same URLs in style sheets and pages, put in place of the archived ones |
| client.js | the same for URLs that scripts make up |
| loopback.py | a server on 127.0.0.1 that answers nobody who came by another name |
| contents.py | the second server: archived content |
| viewer.py | the second server where the user has a copy of ReplayWeb.page |
| guard.js | what goes before that viewer's service worker |
| frame.py | our page |
| serve.py | both servers, from start to end |
"""

from tasks.replay.serve import Replaying, replaying

__all__ = ["Replaying", "replaying"]
