#!/bin/sh
# Run the images' build scripts in the open, each in a copy of the committed files: what .ci/run does without a container.
set -eu
cd "$(dirname "$0")/.."
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
for name in coordinator agent agent-gpu; do
  mkdir "$copy/$name"
  git ls-files -z --cached | xargs -0 tar --create --ignore-failed-read --file - | tar --extract --file - --directory "$copy/$name"
  "$copy/$name/deploy/build-$name.sh"
  rm -rf "${copy:?}/$name"
done
"$PWD/deploy/make-data-folder.sh" "$copy/data" "$(id -u):$(id -g)"
echo "deploy: the build scripts pass"
