#!/bin/sh
# Make the data folder of an image for the user that runs it: the RUN line of the last stage of each Dockerfile.
# usage: make-data-folder.sh [FOLDER [OWNER]]
set -eu
folder="${1:-/var/lib/melo}"
owner="${2:-1000:1000}"
mkdir -p "$folder"
chown "$owner" "$folder"
chmod 0700 "$folder"
