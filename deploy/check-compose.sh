#!/bin/sh
# Validate the compose files with docker-compose, which needs no running Docker for this.
set -eu
cd "$(dirname "$0")"
export MELO_DOMAIN=melo.example.org MELO_DATABASE_PASSWORD=example
export MELO_AGENT_CONFIG=./agent.yaml MELO_IMAGES=/srv/images MELO_BACKBONES=/srv/backbones
for file in compose.yaml compose.agent.yaml; do
  docker-compose --file "$file" config --quiet
done
echo "deploy: the compose files are valid"
