"""The window. It may use usassist.core; usassist.core never knows that it exists."""
