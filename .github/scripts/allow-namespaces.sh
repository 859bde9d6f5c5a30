#!/usr/bin/env bash
# Allows user namespaces where AppArmor denies them to ordinary programs, as on GitHub's Ubuntu runners. Without them
# kernels run in a weaker isolation tier (docs/guide/isolation.md).
set -euo pipefail

setting=kernel.apparmor_restrict_unprivileged_userns
if [[ "$(sysctl -n "$setting" 2>/dev/null || echo 0)" == 0 ]]; then
    echo "Nothing keeps namespaces from ordinary programs here."
    exit 0
fi
sudo sysctl -w "$setting=0"
