"""What every analysis stands on: the table, the protocol, the gate, the wire, the rounds, the study."""
