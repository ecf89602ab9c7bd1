#!/usr/bin/env bash
# surprise: sphinx-gallery ends a code cell at a line "# %%" that stands inside a string, such as a script that a lesson writes to a file: Python runs the lesson, the built page breaks.
# expected: Cells are found with Python's own tokens, so that the content of a string is left alone.
# versions: sphinx-gallery 0.22.1, Sphinx 9.0.4
# seen: 2026-11-28
# matters: Lessons that show or write another script. Indent the inner script and use `textwrap.dedent`, as the mark counts only at the beginning of a line.
# output:
#   at the margin: Python prints 5; sphinx-gallery finds cells of code: 2, SyntaxError: unterminated triple-quoted string literal
#   indented: Python prints 5; sphinx-gallery finds cells of code: 1, all compile

set -euo pipefail

packages=(
  sphinx-gallery==0.22.1
  sphinx==9.0.4
  matplotlib==3.11.2
)

expected=$(sed -n '/^# output:/,/^$/s/^#   //p' "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

install() {
  if command -v uv; then
    uv venv --python "${PYTHON:-python3}" venv && uv pip install --python venv/bin/python "${packages[@]}"
  else
    "${PYTHON:-python3}" -m venv venv && venv/bin/pip install --no-compile "${packages[@]}"
  fi
}
if ! install >install.log 2>&1; then
  cat install.log >&2
  echo "could not be tried: the packages were not installed" >&2
  exit 2
fi

cat >finding.py <<'PYTHON'
import contextlib
import io
import pathlib
import textwrap

from sphinx_gallery.py_source_parser import split_code_and_text_blocks

for label, indent in ("at the margin", ""), ("indented", "    "):
    inner = textwrap.indent("# %%\n# Load\nprint(1)\n", indent)
    lesson = f'"""\nTitle\n=====\n"""\nscript = """\n{inner}"""\nprint(len(script.split()))\n'
    pathlib.Path("lesson.py").write_text(lesson)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(lesson)
    blocks = split_code_and_text_blocks("lesson.py")[1]
    codes = [block.content for block in blocks if block.type == "code"]
    try:
        for code in codes:
            compile(code, "cell", "exec")
        result = "all compile"
    except SyntaxError as error:
        result = f"SyntaxError: {error.msg.split(' (')[0]}"
    print(f"{label}: Python prints {printed.getvalue().strip()}; sphinx-gallery finds cells of code: {len(codes)}, {result}")
PYTHON

if ! found=$(venv/bin/python -W ignore finding.py 2>python.log); then
  cat python.log >&2
  found+=" (and Python failed)"
fi

if [[ $found != "$expected" ]]; then
  printf 'changed.\nexpected:\n%s\nfound:\n%s\n' "$expected" "$found" >&2
  exit 1
fi
printf '%s\n' "$found"
