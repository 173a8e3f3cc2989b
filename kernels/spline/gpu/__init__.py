"""The slope matrix in Triton kernels: `slopes` is the kernel, `gradients` those of its two gradients, `launch` the door."""
