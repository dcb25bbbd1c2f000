"""The rules of people, free of databases, wires and clocks."""
