"""Steps of small networks in a Triton kernel: `steps` is the kernel, `launch` the door."""
