// Empty on purpose: carries the precompiled header (cmake/Pch.h).
