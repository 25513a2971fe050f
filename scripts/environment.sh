# Sourced by the other scripts: `environment DIRECTORY EXTRAS` makes or reuses a virtual environment.
# It stays as it is while pyproject.toml and the place of the checkout stay as they are.

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "fleche-like needs Python 3.11 or newer; set PYTHON to one" >&2
  return 1
}

make_venv() {
  local python
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "$python cannot make virtual environments; on Debian or Ubuntu:" \
      "apt-get install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2
    return 1
  fi
  rm -rf "$1"
  "$python" -m venv "$1"
}

# The stamp is written last, so that an interrupted installation is never taken for a whole one.
environment() {
  local directory=$1 extras=$2 stamp
  stamp=$(pwd; cat pyproject.toml)
  if [ "$(cat "$directory/stamp" 2>/dev/null)" != "$stamp" ] || ! "$directory/bin/python" -c ''; then
    echo "installing fleche-like[$extras] into $directory"
    make_venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]"
    printf '%s\n' "$stamp" >"$directory/stamp"
  fi
}
