"""Make the demo's PDF, DOCX, PPTX and XLSX files from the Markdown in demo/sources. See demo/README.md."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that `python demo/build.py` finds its neighbours

from demo.office_files import build_docx, build_pptx, build_xlsx
from demo.source_files import DOCUMENTS, MANIFEST, MARKDOWN, Source, current_manifest, read_source, source_paths

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

# PDF: Chromium prints HTML, which gives real pages with a text layer.

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>%(title)s</title><style>
@page { size: A4; margin: 22mm 21mm 24mm;
  @bottom-left { content: "Brackwell Instruments · %(title)s"; font: 8pt "Liberation Sans", Arial; color: #6b7671; }
  @bottom-right { content: "Page " counter(page) " of " counter(pages); font: 8pt "Liberation Sans", Arial; color: #6b7671; } }
body { font: 10.3pt/1.5 "Liberation Sans", Arial, sans-serif; color: #22302b; hyphens: manual; }
.brand { color: #1f6f54; font-weight: 700; letter-spacing: .04em; border-bottom: 1.5pt solid #1f6f54; padding-bottom: 6pt; }
h1 { font-size: 23pt; line-height: 1.15; margin: 15pt 0 3pt; } .sub { font-size: 12pt; color: #56625d; margin: 0 0 8pt; }
.whole { white-space: nowrap; } h2 { font-size: 14.5pt; margin: 16pt 0 5pt; color: #17513e; break-after: avoid; }
h3 { font-size: 11.5pt; margin: 13pt 0 3pt; break-after: avoid; } p { margin: 0 0 7pt; orphans: 3; widows: 3; }
ul, ol { margin: 0 0 8pt; padding-left: 17pt; } li { margin-bottom: 3pt; }
table { border-collapse: collapse; width: 100%%; margin: 6pt 0 12pt; font-size: 9.4pt; } tr { break-inside: avoid; }
th { text-align: left; border-bottom: 1pt solid #1f6f54; padding: 4pt 8pt 4pt 0; } thead { display: table-header-group; }
td { border-bottom: .5pt solid #cdd5d1; padding: 5pt 8pt 5pt 0; vertical-align: top; }
.details { width: auto; margin-bottom: 6pt; } .details td { border: 0; padding: 1pt 18pt 1pt 0; color: #56625d; }
code, pre { font: 9pt "Liberation Mono", monospace; background: #f0f4f2; } pre { padding: 7pt 9pt; white-space: pre-wrap; }
blockquote { margin: 8pt 0; padding: 4pt 12pt; border-left: 3pt solid #c98b1b; background: #fdf7ea; }
</style></head><body><div class="brand">BRACKWELL INSTRUMENTS</div><h1>%(title)s</h1>%(subtitle)s
<table class="details">%(details)s</table>%(body)s</body></html>"""


def pdf_html(source: Source) -> str:
    subtitle = f'<p class="sub">{source.meta["subtitle"]}</p>' if "subtitle" in source.meta else ""
    details = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in source.details)
    return PAGE % {
        "title": source.title,
        "subtitle": subtitle,
        "details": details,
        "body": keep_whole(MARKDOWN.render(source.body)),
    }


def keep_whole(html: str) -> str:
    """No line ends inside a word with a hyphen: a code such as E-417 has to stay whole in the text layer."""
    return re.sub(r"(?<![\w<&/])\w+(?:-\w+)+(?=[^<>]*<)", r'<span class="whole">\g<0></span>', html)


def build_pdf(source: Source, chromium: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(pdf_html(source), encoding="utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        subprocess.run(
            [*command, f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}", page.as_uri()],
            check=True,
            capture_output=True,
            timeout=90,
        )
        source.target.write_bytes(settle_pdf(printed.read_bytes(), source.date))


def settle_pdf(data: bytes, date: datetime) -> bytes:
    """Set the dates and the program's name, at equal length so that the file's offsets stay right."""
    stamp = f"(D:{date:%Y%m%d}090000+00'00')".encode()
    data = re.sub(rb"\(D:\d{14}\+00'00'\)", stamp, data)
    creator = rb"/Creator \((?:\\.|[^\\)])*\)"
    return re.sub(creator, lambda found: b"/Creator (Brackwell".ljust(len(found[0]) - 1) + b")", data, count=1)


def build(paths: Sequence[Path], chromium: str) -> None:
    """Build these sources and note each one's sha256, by which a test tells whether a built file is out of date."""
    builders: dict[str, Callable[[Source], None]] = {".docx": build_docx, ".pptx": build_pptx, ".xlsx": build_xlsx}
    builders[".pdf"] = lambda source: build_pdf(source, chromium)
    built = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    current = current_manifest()
    for path in paths:
        source = read_source(path)
        source.target.parent.mkdir(parents=True, exist_ok=True)
        builders[source.target.suffix](source)
        name = str(source.target.relative_to(DOCUMENTS))
        built[name] = current[name]
        sys.stdout.write(f"{name}\n")
    kept = {name: built[name] for name in sorted(built) if name in current}
    MANIFEST.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="build the documents whose path contains this text")
    parser.add_argument("--chromium", default=next(filter(None, map(shutil.which, CHROMIUM_NAMES)), ""))
    options = parser.parse_args(arguments)
    paths = [path for path in source_paths() if options.only in str(path)]
    if not options.chromium and any(path.name.endswith(".pdf.md") for path in paths):
        sys.exit("Chromium is needed to print the PDFs. Install it, or give its path with --chromium.")
    build(paths, options.chromium)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
