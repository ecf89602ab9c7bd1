"""Write the page on S3 buckets as the Iris manual takes it: ``python docs/export_for_iris.py``.

What is measured comes from the built site, so that is built first.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "explanation" / "s3_buckets.rst"
SITE = HERE.parent / "build" / "html"
TARGET = HERE.parent / "build" / "s3_io.rst"

TITLE = "Loading From and Saving To S3 Buckets"
"""As the manual writes it."""

HEADER = """\
.. tutorial:: {title}
   :tags: topic_load_save

   {summary}

.. _s3_io:

{title}
{line}

.. readingtime::

"""
FOOTER = """
.. note::

   The code blocks on this page were run, and what it calls measured was measured,
   on {date:%-d %B %Y} with s3fs-fuse {s3fs} and Iris {iris}, against a local S3 server.
"""
_ONLY_HERE = re.compile(r"(?m)^\.\. (?:only:: site|proves:|not run:).*\n(?:(?: .*)?\n)*")
_START = re.compile(r"=+\n.+\n=+\n\n(?P<summary>.+)\n\n")
_CLAIM = re.compile(r"\s+:claim:`C\d\d`")
_MEASURED = re.compile(r":measured:`(C\d\d)`")
_SECTION = re.compile(r"(?m)^=+$")


def export(
    page: str, results: dict[str, list[str]], versions: dict[str, str], date: datetime.date
) -> str:
    """Turn the page into one that stands for itself.

    Parameters
    ----------
    page : str
        The page of this site.
    results : dict of str to list of str
        From the id of a claim to what its evidence says.
    versions : dict of str to str
        From the name of a program or package to its version.
    date : date
        When the site was built.

    Returns
    -------
    str
        The page for the Iris manual.

    Raises
    ------
    KeyError
        If something that the page quotes was not measured.
    """

    def measured(found: re.Match[str]) -> str:
        if not results.get(found[1]):
            raise KeyError(f"expected a result of {found[1]} in the built site, found none")
        return "; ".join(f"``{text}``" for text in results[found[1]])

    text = _ONLY_HERE.sub("", page)
    start = _START.match(text)
    body = _SECTION.sub(lambda line: "-" * len(line[0]), text[start.end() :])
    body = _MEASURED.sub(measured, _CLAIM.sub("", body))
    header = HEADER.format(title=TITLE, summary=start["summary"], line="=" * len(TITLE))
    footer = FOOTER.format(date=date, s3fs=versions["s3fs"], iris=versions["Iris"])
    return f"{header}{body.strip()}\n{footer}"


def main() -> None:
    """Read the built site, and write the page."""
    ledger, verification = SITE / "reference" / "evidence.json", SITE / "verification.json"
    if not (ledger.exists() and verification.exists()):
        sys.exit(f"expected a built site in {SITE}, found none. Build it: ./nox -s docs")
    results = {name: claim["result"] for name, claim in json.loads(ledger.read_text()).items()}
    versions = json.loads(verification.read_text())["versions"]
    date = datetime.date.fromtimestamp(verification.stat().st_mtime)
    TARGET.write_text(export(PAGE.read_text(), results, versions, date))
    print(f"Written: {TARGET}")


if __name__ == "__main__":
    main()
