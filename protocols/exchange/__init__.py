"""How both sides talk: sealed messages, rounds, secure sums, proposals, keys, enrolment."""
