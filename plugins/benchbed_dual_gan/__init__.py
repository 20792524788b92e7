"""Dual GAN: noise to vessel mask, vessel mask to photograph."""
