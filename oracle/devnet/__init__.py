"""A whole world on one machine: a chain, price sources, emulated silicon."""
