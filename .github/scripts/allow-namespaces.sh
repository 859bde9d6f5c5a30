#!/usr/bin/env bash
# Lets kernels have namespaces of their own where AppArmor keeps them from ordinary programs, as on GitHub's Ubuntu
# runners (docs/guide/isolation.md). Without that they run in a lower tier of isolation.
set -euo pipefail

setting=kernel.apparmor_restrict_unprivileged_userns
if [[ "$(sysctl -n "$setting" 2>/dev/null || echo 0)" == 0 ]]; then
    echo "Nothing keeps namespaces from ordinary programs here."
    exit 0
fi
sudo sysctl -w "$setting=0"
