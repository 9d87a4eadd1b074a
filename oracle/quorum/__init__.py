"""Several nodes make one report: peers over mutual TLS, who leads, whose signatures count."""
