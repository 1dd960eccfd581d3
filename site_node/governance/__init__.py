"""Who may ask what: approvals, policy, ledger of answers, audit, known peers."""
