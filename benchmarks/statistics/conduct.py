"""What conducting costs a site: CPU of its copy of every coordination beside that of its own steps.

    .venv/bin/python -m benchmarks.statistics.conduct

For each example of the conformance suite, over three sites with some hundred people: the CPU seconds of one
site's steps in a run, those of its copy (answers joined, the next question computed), their ratio, and the
bytes of the questions and of the answers relayed with them. The copy's cost does not grow with people.
"""

import time
from contextlib import suppress

from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.exchange.coordination import StudyCoordination, join_round
from protocols.exchange.envelope import digest
from protocols.exchange.secret_basis import OPEN
from protocols.exchange.sides import Site
from protocols.exchange.site_answer import answer
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SPLITS
from tests.lib.watched import COMMON, Watched, example_run


def steps_seconds(run: Watched) -> float:
    """CPU seconds of the first site's steps."""
    table, study, floors = SPLITS[COMMON][0], run.sites.study, Thresholds()
    begun = time.process_time()
    for question in run.questions:
        for ask in question.asks:
            with suppress(ShadowgraphError):
                answer(study, table, ask, floors)  # a climb's copy stands at its end
    return time.process_time() - begun


def copy_seconds(run: Watched) -> float:
    """CPU seconds of a site's copy of the coordination."""
    study = run.sites.study
    begun = time.process_time()
    copy = StudyCoordination(study)
    told = [*(question.told for question in run.questions[1:]), {}]
    for question, answers, said in zip(run.questions, run.answers, told, strict=True):
        copy.advance(join_round(study, question, digest(question.encode()), answers, said), Site(OPEN))
    return time.process_time() - begun


def main() -> None:
    """Prints the table."""
    heads = f"{'rounds':>7}{'steps s':>9}{'copy s':>9}{'ratio':>7}{'question kB':>13}{'relayed kB':>12}"
    print(f"{'protocol':26}{heads}")
    total = [0.0, 0.0]
    for name in sorted(EXAMPLES):
        run = example_run(name)
        steps, copy = steps_seconds(run), copy_seconds(run)
        total = [total[0] + steps, total[1] + copy]
        asked = sum(len(question.encode()) for question in run.questions) / 1024
        relayed = sum(len(a.encode()) for answers in run.answers[:-1] for a in answers.values()) / 1024
        rounds = len(run.questions)
        print(f"{name:26}{rounds:7}{steps:9.3f}{copy:9.3f}{copy / steps:7.2f}{asked:13.0f}{relayed:12.0f}")
    print(f"{'all':26}{'':7}{total[0]:9.3f}{total[1]:9.3f}{total[1] / total[0]:7.2f}")


if __name__ == "__main__":
    main()
