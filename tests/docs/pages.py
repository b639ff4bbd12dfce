"""The book builds, no link is dead, no page is unknown to it, each says first what one gets from it, and what the README claims is
where it says."""

import glob
import os
import re

from common import DOCS, ROOT, expect, run, tool

README_LINES = 200
BOOK = os.path.join(ROOT, "target", "book")
BEGINS = "What you get from this page: "


def check(program):
    pages = sorted(os.path.basename(page) for page in glob.glob(os.path.join(DOCS, "*.md")))
    summary = read(os.path.join(DOCS, "SUMMARY.md"))
    listed = re.findall(r"\]\(([^)]+)\)", summary)
    expect(len(listed) == len(set(listed)), "SUMMARY.md has a page twice")
    expect(sorted([*listed, "SUMMARY.md"]) == pages, f"not in SUMMARY.md: {set(pages) - {*listed, 'SUMMARY.md'}}; "
                                                   f"only there: {set(listed) - set(pages)}")
    for page in listed:
        text = read(os.path.join(DOCS, page))
        beginning = re.sub(r"^# .+\n\n", "", text, count=1)
        expect(text.startswith("# ") and beginning.startswith(BEGINS), f"docs/{page} does not begin with \"{BEGINS}\"")

    run([tool("mdbook"), "build", DOCS])
    link = [tool("lychee"), "--offline", "--include-fragments", "--no-progress", "--root-dir", BOOK]
    own = [os.path.basename(page) for page in glob.glob(os.path.join(ROOT, "*.md"))]
    run([*link, *own, "docs/*.md", *glob.glob("examples/*/README.md", root_dir=ROOT)])
    run([*link, "target/book/**/*.html"])
    readme()
    print(f"  {len(listed)} pages", flush=True)


def read(path):
    with open(path) as file:
        return file.read()


def readme():
    text = read(os.path.join(ROOT, "README.md"))
    lines = text.count("\n")
    expect(lines <= README_LINES, f"README.md has {lines} lines; at most {README_LINES}")
    table = [line for line in text.splitlines() if line.startswith("| ") and "**" in line]
    expect(len(table) == 4, f"README.md has {len(table)} rows with figures; four")
    for row in table:
        page = re.search(r"\]\(([^)#]+)", row)[1]
        for figure in re.findall(r"\*\*([^*]+)\*\*", row):
            expect(figure in read(os.path.join(ROOT, page)), f"README.md has the figure {figure}, and {page} has not")
