"""Rounds of Flower's own strategies: the sites' changes come as JSON, the global values after every round go out as JSON."""

import json
import logging
import sys

import numpy as np

logging.disable(logging.WARNING)  # Flower warns that no function aggregates the metrics

from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays  # noqa: E402
from flwr.server.strategy import FedAdam, FedAvg, FedAvgM  # noqa: E402


def strategy_of(name, initial, options):
    parameters = ndarrays_to_parameters([initial])
    if name == "adam":
        return FedAdam(initial_parameters=parameters, **options)
    if name == "momentum":
        return FedAvgM(initial_parameters=parameters, **options)
    return FedAvg(inplace=False)


def play(name, options, rounds_before, start, rounds):
    values = np.array(start, dtype=np.float32)
    strategy = strategy_of(name, values, options)
    versions = []
    for number, updates in enumerate(rounds, start=1):
        results = []
        for update in updates:
            local = values + np.array(update["delta"], dtype=np.float32)
            parameters = ndarrays_to_parameters([local])
            status = Status(Code.OK, "")
            results.append((None, FitRes(status, parameters, update["weight"], {})))
        # The number of the round decides Adam's correction of the rate; far on there is none.
        aggregated, _ = strategy.aggregate_fit(number + rounds_before, results, [])
        values = parameters_to_ndarrays(aggregated)[0].astype(np.float32)
        versions.append([float(value) for value in values])
    return versions


with open(sys.argv[1], encoding="utf-8") as file:
    task = json.load(file)
answers = []
for each in task["strategies"]:
    strategy = (each["name"], each["options"], each["roundsBefore"])
    answers.append(play(*strategy, task["start"], task["rounds"]))
json.dump(answers, sys.stdout)
