#!/bin/sh
# setup.sh PYTHON VENV ORIGIN: makes the environment as uv.lock has it. A plain venv, uv inside it, the rest by uv.
# ORIGIN is make's word for where PYTHON comes from: one that was asked for by name rebuilds a venv of another version.
set -eu
python=$1
venv=$2
origin=${3:-file}

fail() {
    echo "trajmill: $*" >&2
    exit 2
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# pip's own setting, from its environment or its files; empty where there is none.
pip_setting() {
    "$venv/bin/python" -m pip config list 2>/dev/null | sed -n "s/^[:a-z]*\.$1='\(.*\)'\$/\1/p" | head -n 1
}

no_index() {
    fail "the packages could not be fetched from ${index:-https://pypi.org}. Without a way there, name a mirror:
  PIP_INDEX_URL=https://mirror.example/simple make setup
Behind a proxy set HTTPS_PROXY; with a certificate of your own, SSL_CERT_FILE. Then run the same command again."
}

have=$([ -x "$venv/bin/python" ] && version_of "$venv/bin/python" || true)
stamp="$have $(cat pyproject.toml uv.lock deployments/setup.sh | cksum)"
if [ "$origin" = file ] || [ "$have" = "$(version_of "$python")" ]; then
    [ "$stamp" = "$(cat "$venv/.ready" 2>/dev/null)" ] && exit 0
fi

version=$(version_of "$python") || fail "there is no working $python. Install Python 3.11, 3.12 or 3.13, or name one:
  make PYTHON=/path/to/python3.12 setup"
case $version in
3.11 | 3.12 | 3.13) ;;
*) fail "Python 3.11, 3.12 or 3.13 is needed; $python is $version. Name another one: make PYTHON=python3.12 setup" ;;
esac
"$python" -c 'import venv; from ensurepip import version' 2>/dev/null ||
    fail "$python has no ensurepip, so it cannot make an environment. On Debian or Ubuntu: apt install python$version-venv"
free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024)}')
[ "$free" -ge 1500 ] || fail "the environment takes 1.1 GB, and some room beside it is needed; there are $free MB free here"

if [ "$have" != "$version" ] && [ -f "$venv/pyvenv.cfg" ]; then
    echo "$venv is Python ${have:-no longer there} and is made anew for $version." >&2
    rm -rf "$venv"
fi
[ -x "$venv/bin/uv" ] || echo "Setting up $venv (1.1 GB, about a minute on a fast line) ..." >&2
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

# pip and uv trust the same certificates: those of pip's own setting, else SSL_CERT_FILE, else the system's.
certificates=$(pip_setting cert)
for store in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    [ -n "$certificates" ] || [ ! -s "$store" ] || certificates=$store
done
[ -z "$certificates" ] || export PIP_CERT="$certificates" SSL_CERT_FILE="$certificates"
# uv reads no pip configuration: it is told the index that pip would use.
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$(pip_setting index-url)}}
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_PROJECT_ENVIRONMENT="$venv"

[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    ${index:+--index-url "$index"} 'uv>=0.9,<1' || no_index
if [ -z "$index" ]; then
    "$venv/bin/uv" sync --quiet --frozen --inexact --python "$venv/bin/python" || no_index
else
    # uv.lock names files on pypi.org; the mirror is asked for the same versions with the same hashes.
    "$venv/bin/uv" export --quiet --frozen --no-emit-project --output-file "$venv/requirements.txt"
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --default-index "$index" \
        --require-hashes --no-deps --requirements "$venv/requirements.txt" || no_index
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --default-index "$index" \
        --no-deps --editable . || no_index
fi
# Compiled once: where PYTHONDONTWRITEBYTECODE is set, as in many images, every command would compile them anew, which
# is half of what a small build takes.
PYTHONDONTWRITEBYTECODE='' "$venv/bin/python" -c 'import flows.build, great_expectations.expectations, prefect.server.api.server'
echo "$version $(cat pyproject.toml uv.lock deployments/setup.sh | cksum)" >"$venv/.ready"
