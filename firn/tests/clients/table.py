"""The table of clients and features, as a run prints it and a page of the documentation has it.

In the page it stands between two comments, so that a run can write it, or read it and
compare. What was not tried in this run is never written as if it had been.
"""
import difflib
import re

WORDS = {"ok": "yes", "unsupported": "no", "failed": "**fails**", "skipped": "not tried"}


def render(suite, clients, results, known=None):
    """The table in Markdown. Cells that this run has no result for are those of `known`,
    the cells of a page, or say that they were not tried."""
    known = known or {}
    heads = [f"{client.name}<br>{client.library}" for client in clients]
    lines = [row(["", "", *heads]), row(["---"] * (len(heads) + 2))]
    notes = []
    for feature, line in suite.features.items():
        cells = []
        for client in clients:
            cell, reason = known.get((client.name, feature), (WORDS["skipped"], ""))
            result = results.get(client.name, {}).get(feature)
            if result and (result.word != "skipped" or not known):
                cell, reason = WORDS[result.word], result.reason if result.word == "unsupported" else ""
            cells.append(cell)
            if reason:
                notes.append(f"- {client.name}, `{feature}`: {reason}")
        lines.append(row([f"`{feature}`", line, *cells]))
    return "\n".join(lines + [""] * bool(notes) + notes) + "\n"


def row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def cells_of(block):
    """(client, feature) to (cell, reason), of a table that `render` made."""
    cells, names = {}, None
    for line in block.splitlines():
        note = re.fullmatch(r"- ([^,]+), `(\w+)`: (.*)", line)
        columns = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if note and note.group(1, 2) in cells:
            cells[note.group(1, 2)] = (cells[note.group(1, 2)][0], note.group(3))
        elif columns and names is None:
            names = [column.split("<br>")[0] for column in columns[2:]]
        elif columns and columns[0].startswith("`"):
            for name, cell in zip(names, columns[2:]):
                cells[name, columns[0].strip("`")] = (cell, "")
    return cells


def place(page, suite):
    """Where the table is in the page."""
    begin = f"<!-- table {suite.name}: written by make clients -->\n"
    end = f"<!-- end of table {suite.name} -->\n"
    text = page.read_text() if page.exists() else ""
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{page} has no place for the table: {begin.strip()} … {end.strip()}")
    return text, text.index(begin) + len(begin), text.index(end)


def write(page, suite, clients, results):
    text, begin, end = place(page, suite)
    page.write_text(text[:begin] + render(suite, clients, results) + text[end:])


def difference(page, suite, clients, results):
    """What the page says otherwise than this run, where this run tried it; empty if nothing."""
    text, begin, end = place(page, suite)
    block = text[begin:end]
    expected = render(suite, clients, results, cells_of(block))
    return "\n".join(difflib.unified_diff(block.splitlines(), expected.splitlines(),
                                          str(page.name), "this run", lineterm="", n=0))
