"""What every analysis builds on: the table, the protocol, the gate, the wire, the rounds, the study."""
