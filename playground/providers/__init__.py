"""How a request, an event and an error look in one wire format. No module here does any I/O."""
