"""The page of an upstream server: large and coloured, so that a screenshot shows which one it is."""

import itertools
from html import escape
from urllib.parse import parse_qs, urlsplit

COLOURS = {"A": "#1b5e9b", "B": "#2e7d32", "C": "#ad5a00", "D": "#7b1fa2"}

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>server {name}</title><link rel="icon" href="data:,">
<style>
body {{ margin: 0; font: 17px/1.5 sans-serif; color: #fff; background: {colour}; padding: 18px 28px; }}
#server {{ font: bold 110px/1 sans-serif; }}
code {{ overflow-wrap: anywhere; font-size: 14px; }}
a {{ color: #fff; }}
</style></head><body>
<div>This page is from server</div><div id="server">{name}</div>
<div>visit <b id="visits">{visits}</b> of the session in its memory</div>
<div>it was sent: <code id="cookies">{cookies}</code></div>
{more}
</body></html>
"""


def answer(name):
    """For `Lab.backend`: a page that counts the visits of a session on this server, like an application.

    `?frame=URL` adds a frame to the page, `?link=URL` a link.
    """
    sessions, numbers = {}, itertools.count(1)

    def handle(handler):
        cookies = handler.headers.get("Cookie", "")
        own = next((part[9:] for part in cookies.split("; ") if part.startswith("shopping=")), None)
        fields = {"Content_Type": "text/html; charset=utf-8", "Cache_Control": "no-store"}
        # Pages of other sites may read it, with credentials.
        if origin := handler.headers.get("Origin"):
            fields |= {"Access_Control_Allow_Origin": origin, "Access_Control_Allow_Credentials": "true"}
        if handler.path.endswith("/who"):
            # Without a session: for requests of scripts.
            return handler.reply(f"{name} [{cookies}]", **fields)
        if own not in sessions:
            own = f"{name}{next(numbers)}"
            fields["Set_Cookie"] = f"shopping={own}; Path=/"
        sessions[own] = sessions.get(own, 0) + 1
        query = parse_qs(urlsplit(handler.path).query)
        more = "".join(f'<iframe src="{escape(url)}"></iframe>' for url in query.get("frame", ()))
        more += "".join(f'<a id="link" href="{escape(url)}">there</a>' for url in query.get("link", ()))
        page = PAGE.format(
            name=name,
            colour=COLOURS[name],
            visits=sessions[own],
            cookies=escape(cookies) or "no cookie",
            more=more,
        )
        return handler.reply(page, **fields)

    return handle
