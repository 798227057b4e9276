"""Recovery addresses that agents correct or replace."""
