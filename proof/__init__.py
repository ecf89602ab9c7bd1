"""How every code block of the project is run, and its shown output compared.

- `documents`: which files have code blocks, and what is done with each block;
- `reader`: where a document's blocks are run: a home, a shell, a bucket;
- `configuration`: what is done with fragments of configuration files;
- `compare`: what was shown against what was said;
- `record`: what was run, when and with which versions, for the site to show;
- `plugin`: all of it as tests of pytest;
- `mutate`: whether a wrong block would be noticed.
"""
