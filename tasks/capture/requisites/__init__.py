"""What a page needs to be seen: style sheets, fonts, pictures, icons, found without a browser and fetched beside it.

| file | does |
| --- | --- |
| srcset.py | the candidates of a `srcset` |
| sheets.py | what a style sheet loads |
| page.py | what a page loads |
| wanted.py | one such thing, and which kinds come first |
| gather.py | fetches all of it, within limits, and says what is missing |
"""

from tasks.capture.requisites.gather import gather
from tasks.capture.requisites.page import page_requisites
from tasks.capture.requisites.sheets import sheet_requisites
from tasks.capture.requisites.srcset import parse_srcset
from tasks.capture.requisites.wanted import Wanted

__all__ = ["Wanted", "gather", "page_requisites", "parse_srcset", "sheet_requisites"]
