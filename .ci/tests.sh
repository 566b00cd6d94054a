# Sourced by .ci/run and .ci/nightly, which run in the clone: installs, builds and makes the checks of both.
#   run NAME COMMAND...   runs tests and writes their report
#   finish                prints the counts as the last line, and exits
. .ci/install.sh
reports=$(mktemp -d)
trap 'rm -rf "$reports"; remove_fallback' EXIT
status=0

run() {
  local name=$1
  shift
  echo "$(date +%T) $name: $*"
  "$@" --reporter=default --reporter=json --outputFile.json="$reports/$name.json" || status=1
}

# The WebAssembly kernels in git are what the C sources compile to, byte for byte.
check_kernels() {
  node bin/build-kernels.js --check
  case $? in
    0) ;;
    3) echo 'skipped: bytes of the WebAssembly kernels, since their compiler cannot be installed' ;;
    *) return 1 ;;
  esac
}

finish() {
  wait "$kernels_job" || status=1
  # Banned words in changed lines of docs, descriptions and messages.
  node bin/check-words.js || status=1
  echo "$(date +%T) done"
  node .ci/count.js "$reports" "$status"
  exit
}

start_installs
node bin/setup.js || status=1
check_kernels &
kernels_job=$!
