"""Whole rounds of the model: the sum is that of the named survivors, whoever falls silent when."""

from __future__ import annotations

import unittest
from dataclasses import replace
from fractions import Fraction
from typing import Any

from reference import noise, rounds, tasks, wire
from reference.coordinator import Ended
from reference.rounds import Federation, integer_task, integer_update

SIZE = 40


def expected(survivors: object) -> tuple[int, ...]:
    totals = [0] * SIZE
    for slot in survivors:  # type: ignore[attr-defined]
        raw = integer_update(slot, SIZE)[b"values"]
        for i in range(SIZE):
            totals[i] += int.from_bytes(raw[4 * i : 4 * i + 4], "little", signed=True)
    return tuple(totals)


def updates(count: int) -> dict[int, dict[bytes, bytes]]:
    return {slot: integer_update(slot, SIZE) for slot in range(count)}


class CompleteGraph(unittest.TestCase):
    task = integer_task("complete", SIZE, 1, 2)

    def held(self, silent: dict[int, str], hooks: dict[tuple[int, str], Any] = {}) -> rounds.Outcome:
        outcome = rounds.run(Federation(7), self.task, updates(7), silent, hooks)
        self.assertEqual(expected(outcome.coordinator.survivors), outcome.sum.values)
        return outcome

    def test_nobody_drops(self) -> None:
        self.assertEqual(7, len(self.held({}).coordinator.survivors))

    def test_silent_from_each_phase_on(self) -> None:
        for phase in rounds.PHASES:
            outcome = self.held({2: phase, 5: phase})
            gone = rounds.PHASES.index(phase) <= rounds.PHASES.index("upload")
            self.assertEqual(5 if gone else 7, len(outcome.coordinator.survivors), phase)

    def test_survivors_that_fall_silent_before_reveal_are_rebuilt_from_shares(self) -> None:
        outcome = self.held({3: "upload", 6: "reveal"})
        kinds = {kind for message in outcome.coordinator.answered.values() for kind in (a.kind for a in message.answers)}
        self.assertEqual({wire.SELF_SEED, wire.ROOT_SEED}, kinds)

    def test_too_many_drop_outs_end_the_attempt(self) -> None:
        with self.assertRaises(Ended) as ended:
            self.held({1: "upload", 2: "upload", 3: "upload"})
        self.assertTrue(ended.exception.again)

    def test_too_few_signatures_end_the_round(self) -> None:
        with self.assertRaises(Ended) as ended:
            self.held({1: "confirm", 2: "confirm", 3: "confirm"})
        self.assertEqual(("confirm.quorum", False), (ended.exception.requirement, ended.exception.again))

    def test_a_part_that_does_not_open_cuts_one_edge_and_the_sum_stands(self) -> None:
        federation = Federation(7)
        script = rounds.Script()
        runner = rounds.Runner(federation, self.task, updates(7), script)
        honest = runner.members[4]
        deal = honest._deal

        def wrong(context, adverts):  # type: ignore[no-untyped-def]
            honest.seal_private, kept = bytes(range(32)), honest.seal_private
            sealed = deal(context, adverts)
            honest.seal_private = kept
            parts = tuple(part if part.to == 0 else good for part, good in zip(sealed.parts, deal(context, adverts).parts))
            around = context.neighbours(4, honest.advertised)
            from reference import merkle
            from reference.member import part_leaves
            from reference.octets import u32

            root = merkle.root(part_leaves(honest.sid, 4, around, list(parts)))
            return wire.SealedShares(honest.sid, 4, parts, honest.identity.sign("sign shares", honest.sid, u32(4), root))

        honest._deal = wrong  # type: ignore[method-assign]
        outcome = runner.run()
        self.assertEqual((wire.Cut(4, wire.CUT_SHARE),), outcome.coordinator.accepts[0].cuts)
        self.assertNotIn(4, outcome.members[0].masked_with)
        self.assertNotIn(0, outcome.members[4].masked_with)
        self.assertEqual(expected(outcome.coordinator.survivors), outcome.sum.values)


class Ring(unittest.TestCase):
    def test_a_ring_with_drop_outs_in_every_phase(self) -> None:
        count = 42
        # Few slots make a ring only by hand, with nobody corrupt but the one that is always reckoned with.
        task = integer_task("ring", SIZE, 0, 2, graph=(3, 14))
        for first in ("advertise", "share", "accept", "upload"):
            outcome = rounds.run(Federation(count), task, updates(count), {7: first, 20: "reveal"})
            self.assertIsNotNone(outcome.coordinator.context.graph.ring)
            self.assertEqual(count - 1, len(outcome.coordinator.survivors))
            self.assertEqual(expected(outcome.coordinator.survivors), outcome.sum.values)


class Noise(unittest.TestCase):
    def test_dropout_exact_noise_leaves_the_sum_with_base_and_components_up_to_the_level(self) -> None:
        wanted = tasks.Noise(
            tasks.SKELLAM, tasks.Decimal(4000, 0), tasks.DROPOUT_EXACT, tasks.MEMBER, tasks.ZERO_OUT, None, tasks.Decimal(1, 6)
        )
        task = integer_task("noised", SIZE, 1, 2, noise=wanted)
        for silent in ({}, {2: "share"}, {2: "upload", 5: "advertise"}, {2: "upload", 4: "reveal"}):
            outcome = rounds.run(Federation(7), task, updates(7), silent)
            c = outcome.coordinator
            plan = c.context.noise
            assert plan is not None
            level = plan.level(7 - len(c.survivors))
            total = list(expected(c.survivors))
            for slot in c.survivors:
                log, where = outcome.draws[slot], c.context.where(slot)
                values = noise.chain(log["noise chain"], where, len(plan.components))
                added = noise.draws(plan.base, noise.base_key(log["noise base seed"], where), 0, SIZE)
                kept = len(plan.components) if slot not in c.reveals else level
                for index in range(1, kept + 1):
                    key = noise.component_key(values[index - 1], where, index)
                    drawn = noise.draws(plan.components[index - 1], key, 0, SIZE)
                    added = [a + b for a, b in zip(added, drawn)]
                total = [a + b for a, b in zip(total, added)]
            self.assertEqual(tuple(total), outcome.sum.values)

    def test_a_member_that_reveals_a_wrong_chain_value_is_blamed_and_its_surplus_stays(self) -> None:
        wanted = tasks.Noise(
            tasks.LAPLACE, tasks.Decimal(205, 1), tasks.DROPOUT_EXACT, tasks.MEMBER, tasks.REPLACE, None, tasks.Decimal(1, 6)
        )
        task = integer_task("noised", SIZE, 1, 2, noise=wanted)
        outcome = rounds.run(Federation(7), task, updates(7), {}, {(3, "reveal"): lambda r: replace(r, chain_value=b"\x01" * 32)})
        self.assertEqual([(3, "reveal.chain-checked")], outcome.coordinator.blamed)

    def test_the_variance_of_draws_is_that_of_the_law(self) -> None:
        for law, variance in ((noise.Law("skellam", Fraction(50)), 50.0), (noise.Law("gaussian", Fraction(50)), 50.0)):
            drawn = noise.draws(law, bytes(32), 0, 20000)
            found = sum(v * v for v in drawn) / len(drawn)
            self.assertAlmostEqual(1.0, found / variance, delta=0.05)


if __name__ == "__main__":
    unittest.main()
