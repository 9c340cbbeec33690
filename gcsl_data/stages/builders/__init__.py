"""Datasets for the methods that goal-conditioned training is compared with, in the column forms that TRL reads.

pairs (DPO, SimPO), unpaired (KTO), negatives (S-DPO), best (RAFT), weights (RWR, SWiFt, SFT(Q)), groups (GFT), steerlm.
Each takes usable records in log order and gives a `Built`: rows, and what became of the records that are in none.
"""
