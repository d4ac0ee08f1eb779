#!/bin/sh
# The tests of an extension on each cluster of CLUSTERS, from the folder of its repository.
set -eu
CLUSTERS=${CLUSTERS:-docker kind}
export CI=true

python3 -m venv .venv
. .venv/bin/activate
python -m pip install --quiet path/to/kaapana-harness
kaapana-harness doctor

status=0
night=evidence/$(date +%Y-%m-%d)
mkdir -p "$night"
for cluster in $CLUSTERS; do
    pytest tests --kaapana-cluster "$cluster" --kaapana-report "$night/$cluster" || status=1
done
find evidence -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -r {} +
kaapana-harness prune
exit "$status"
