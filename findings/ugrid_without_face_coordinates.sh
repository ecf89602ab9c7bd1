#!/usr/bin/env bash
# surprise: Iris loads data on the faces of a UGRID mesh without mesh and coordinates when the mesh has no `face_coordinates`, though the convention calls them optional; the warning does not name the reason.
# expected: The cube has its mesh, and the position of a face is that of its corners.
# versions: scitools-iris 3.14.1, netCDF4 1.7.5.1.post1
# seen: 2026-11-28
# matters: Meshes of other models. If `cube.mesh` is None, look at `iris.loading.LOAD_PROBLEMS`; add face coordinates (the mean of the corners) to the file.
# output:
#   face_coordinates given: a mesh of faces, coordinates ['latitude', 'longitude']; no warning
#   face_coordinates not given: no mesh, coordinates []; Not all file objects were parsed correctly. 

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
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
import warnings

import iris
import netCDF4
import numpy as np

for coordinates in True, False:
    with netCDF4.Dataset("mesh.nc", "w") as file:
        def variable(name, dtype, dimensions, values=(), **attributes):
            made = file.createVariable(name, dtype, dimensions)
            made.setncatts(attributes)
            if dimensions:
                made[:] = values

        for name, size in ("node", 6), ("face", 2), ("corner", 4):
            file.createDimension(name, size)
        file.Conventions = "CF-1.8 UGRID-1.0"
        optional = {"face_coordinates": "face_lon face_lat"} if coordinates else {}
        variable(
            "mesh", "i4", (), cf_role="mesh_topology", topology_dimension=np.int32(2),
            node_coordinates="node_lon node_lat", face_node_connectivity="corners", **optional,
        )
        lon = dict(standard_name="longitude", units="degrees_east")
        lat = dict(standard_name="latitude", units="degrees_north")
        variable("node_lon", "f8", "node", [0, 1, 2, 0, 1, 2], **lon)
        variable("node_lat", "f8", "node", [0, 0, 0, 1, 1, 1], **lat)
        variable("face_lon", "f8", "face", [0.5, 1.5], **lon)
        variable("face_lat", "f8", "face", [0.5, 0.5], **lat)
        variable(
            "corners", "i4", ("face", "corner"), [[0, 1, 4, 3], [1, 2, 5, 4]],
            cf_role="face_node_connectivity", start_index=np.int32(0),
        )
        variable("t", "f4", "face", [1, 2], mesh="mesh", location="face", units="K")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cube = iris.load_cube("mesh.nc", iris.NameConstraint(var_name="t"))
    problems = [str(warning.message) for warning in caught if "parsed" in str(warning.message)]
    mesh = f"a mesh of {cube.location}s" if cube.mesh else "no mesh"
    print(f"face_coordinates {'given' if coordinates else 'not given'}: {mesh},",
          f"coordinates {[coord.name() for coord in cube.coords()]}; {''.join(problems)[:44] or 'no warning'}")
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
