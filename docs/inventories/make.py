"""Write the inventories with which the site links to other projects' documentation.

The site is built without a network, so it cannot fetch them.

    python docs/inventories/make.py

The files ``python.inv`` and ``dask.inv`` are the projects' own ``objects.inv``, copied from
Debian's packages ``python3.11-doc`` and ``python-dask-doc``. The others are made here, from the
names in the installed packages and the way in which their sites form addresses, since no package
carries theirs.
"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from sphobjinv import DataObjStr, Inventory, compress

HERE = Path(__file__).parent

# What to list of each project: a module, and the address of its objects.
# An inventory abbreviates an object's name as $, but only at the end of the address.
GENERATED = {
    "iris": {
        module: f"generated/api/{module}.html#$"
        for module in (
            "iris",
            "iris.analysis",
            "iris.coords",
            "iris.cube",
            "iris.exceptions",
            "iris.loading",
            "iris.plot",
            "iris.quickplot",
            "iris.util",
        )
    },
    "matplotlib": {
        "matplotlib.pyplot": "api/_as_gen/{name}.html#$",
        "matplotlib.axes": "api/_as_gen/{name}.html#$",
        "matplotlib.figure": "api/figure_api.html#$",
    },
    "numpy": {"numpy": "reference/generated/{name}.html#$"},
    "boto3": {
        "boto3": "reference/core/boto3.html#$",
        "boto3.session": "reference/core/session.html#$",
    },
}


def objects(module_name: str, address: str) -> Iterator[DataObjStr]:
    """List the public functions, classes and methods of a module."""
    module = importlib.import_module(module_name)
    yield entry(module_name, "module", address.replace("#$", f"#module-{module_name}"))
    for name, member in inspect.getmembers(module):
        full_name = f"{module_name}.{name}"
        home = getattr(member, "__module__", "")
        if name.startswith("_") or not home.startswith(module_name.partition(".")[0]):
            continue
        if inspect.isclass(member):
            kind = "exception" if issubclass(member, BaseException) else "class"
            yield entry(full_name, kind, address)
            for method, _ in inspect.getmembers(member, callable):
                if not method.startswith("_"):
                    yield entry(f"{full_name}.{method}", "method", address)
        elif callable(member):
            yield entry(full_name, "function", address)


def entry(name: str, role: str, address: str) -> DataObjStr:
    """Make one line of an inventory."""
    uri = address.replace("{name}", name)
    return DataObjStr(name=name, domain="py", role=role, priority="1", uri=uri, dispname="-")


def write(project: str, entries: list[DataObjStr]) -> None:
    """Write an inventory next to this script."""
    inventory = Inventory()
    inventory.project, inventory.version = project, ""
    inventory.objects.extend(entries)
    packed = compress(inventory.data_file())
    (HERE / f"{project}.inv").write_bytes(packed)
    print(f"{project}.inv: {len(entries)} objects, {len(packed) / 1000:.0f} kB")


def main() -> None:
    """Write all inventories."""
    for project, modules in GENERATED.items():
        write(project, [item for pair in modules.items() for item in objects(*pair)])


if __name__ == "__main__":
    main()
