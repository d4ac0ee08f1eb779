"""The HTML page of a run: one self-contained file, a view of ``run.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; }
th { border-bottom: 2px solid #d0d7de; } td { border-bottom: 1px solid #eaeef2; overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto; } .muted { color: #57606a; }
.success { color: #1a7f37; } .failed, .upstream_failed, .error { color: #cf222e; }
.skipped, .warning { color: #9a6700; }
.cause { border-left: 4px solid #cf222e; padding: .2rem 1rem; background: #fff5f5; }
</style></head><body>
<h1>$title</h1>
<p class="muted">$subtitle</p>
$body
</body></html>
""")


def render(document: Mapping[str, Any]) -> str:
    """Return the page for the content of a ``run.json``; everything that comes from outside is escaped."""
    state = str(document["state"])
    body = [f'<p>The run ended <strong class="{escape(state)}">{escape(state)}</strong>.</p>']
    if document["cause"]:
        body.append(_cause(document["cause"]))
    body.append(
        _table("Tasks", ("task", "state", "seconds", "peak memory", "exit", "reason", "image", "log"), _tasks(document))
    )
    body.append(_table("Sent", ("object", "SOP class", "from", "to"), _list_sent(document)))
    body.append(_table("Stored", ("object", "bytes", "type", "on the results page"), _objects(document)))
    body.append(
        _table("Findings", ("severity", "rule", "where", "what", "next step", "platforms"), _findings(document))
    )
    heads = ("image", "from", "configuration", "layers", "tasks")
    body.append(_table("Images of the extension", heads, _images(document)))
    by_api = document.get("started_by") == "api"
    heading = "Posted through the API, not filled in or checked as by the page" if by_api else "Form"
    body.append(f"<h2>{heading}</h2><pre>{_json(document['form'])}</pre>")
    subtitle = (
        f"run {document['run_id']}, platform {document['platform']} on {document['cluster']}, "
        f"started {document['started']}, {document['seconds']:.1f} s"
    )
    return _PAGE.substitute(title=escape(str(document["dag_id"])), subtitle=escape(subtitle), body="\n".join(body))


def _cause(cause: Mapping[str, Any]) -> str:
    who = f"task {cause['task_id']}: " if cause["task_id"] else ""
    parts = [f"<p><strong>{escape(who + cause['summary'])}</strong></p>"]
    if cause["detail"]:
        parts.append(f"<pre>{escape(cause['detail'])}</pre>")
    if cause["fix"]:
        parts.append(f"<p>Next step: {escape(cause['fix'])}</p>")
    return f'<div class="cause">{"".join(parts)}</div>'


def _tasks(document: Mapping[str, Any]) -> Iterable[list[str]]:
    for task in document["tasks"]:
        memory = task["max_memory_bytes"]
        yield [
            _cell(task["task_id"]),
            f'<td class="{escape(str(task["state"]))}">{escape(str(task["state"]))}</td>',
            _number(None if task["seconds"] is None else f"{task['seconds']:.1f}"),
            _number(None if memory is None else f"{memory / 2**20:.0f} MiB"),
            _number(task["exit_code"]),
            _cell(task["reason"]),
            _cell(task["image"]),
            _link(task["log"], "log"),
        ]


def _list_sent(document: Mapping[str, Any]) -> Iterable[list[str]]:
    for item in document["sent"]:
        link = _link(item["path"], item["sop_instance_uid"])
        yield [link, _cell(item["sop_class"]), _cell(item["calling_ae"]), _cell(item["called_ae"])]


def _objects(document: Mapping[str, Any]) -> Iterable[list[str]]:
    for item in document["objects"]:
        shown = "yes" if item["visible_in_results"] else "no"
        yield [_link(item["path"], item["key"]), _number(item["size"]), _cell(item["content_type"]), _cell(shown)]


def _findings(document: Mapping[str, Any]) -> Iterable[list[str]]:
    for item in document["findings"]:
        severity = escape(item["severity"])
        rest = [_cell(item[name]) for name in ("rule", "where", "message", "fix")]
        yield [f'<td class="{severity}">{severity}</td>', *rest, _cell(", ".join(item["platforms"]) or "all")]


def _images(document: Mapping[str, Any]) -> Iterable[list[str]]:
    # runs of earlier versions have none
    for item in document.get("images", ()):
        named = [_cell(item[name]) for name in ("reference", "origin", "config_digest")]
        yield [*named, _number(len(item["layers"])), _cell(", ".join(item["tasks"]))]


def _table(title: str, heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    if not body:
        return f'<h2>{title}</h2><p class="muted">none</p>'
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    return f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    return f"<td>{'' if value is None else escape(str(value))}</td>"


def _number(value: Any) -> str:
    return f'<td class="number">{"" if value is None else escape(str(value))}</td>'


def _link(path: str | None, text: str) -> str:
    if not path:
        return "<td></td>"
    # relative and percent-encoded: a name with a colon would otherwise be read as a scheme
    return f'<td><a href="./{escape(quote(path))}">{escape(text)}</a></td>'


def _json(value: Any) -> str:
    import json

    return escape(json.dumps(value, indent=2, ensure_ascii=False))
