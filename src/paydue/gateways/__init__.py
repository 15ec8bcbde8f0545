"""Card processors behind the port in `usecases/gateway_ports.py`. No card number ever passes through here."""
