// SPDX-License-Identifier: BSD-3-Clause
// What a program's calls need of whoever runs the stack: time, turns of lanes, sleep.
#pragma once

#include <poll.h>
#include <signal.h>

#include <cstdint>
#include <optional>
#include <span>

#include "base/ipv4.hpp"
#include "time/instant.hpp"

namespace linnet::shim {

class Host {
 public:
  virtual ~Host() = default;

  // --- Any thread.
  // The stack's time.
  virtual time::Instant now() = 0;
  // Requests for the lane stand in its ring: a lane that rests wakes up.
  virtual void kick(unsigned lane) = 0;
  // Lets the lanes do what is to be done now, where their turns are the calling thread's to give.
  // False: they are not, nothing was done.
  virtual bool drive() = 0;
  // As `drive`, for a program that looks for events, acts upon them and looks again.
  virtual bool look() { return drive(); }
  // As `drive`, in a call that asks for something and does not wait for it.
  virtual bool peek() { return drive(); }
  // After requests were written: `drive` where a call is to show at once what follows from it.
  virtual bool drive_at_once() { return drive(); }
  // Whether lanes take turns in calls of one thread alone: between two of its calls none runs.
  virtual bool lanes_are_ours() { return false; }
  // The lane that a program's new connection is made on, of the socket with this number.
  virtual unsigned lane_for(std::uint32_t number, unsigned lanes) { return number % lanes; }
  // Whether the calling thread may be put to sleep: not the one that moves a clock set by hand.
  virtual bool may_sleep() = 0;

  enum class Slept { Woken, TimedOut, Interrupted };
  // Until one of the descriptors has an event, or `deadline` (of the stack's time). `mask`: of
  // signals while it sleeps; nullptr: as it is.
  virtual Slept sleep(std::span<pollfd> descriptors, time::Instant deadline,
                      const sigset_t* mask) = 0;

  // --- What control knows; any thread.
  // Whether bind may take the address: one of ours, any, a broadcast or a group.
  virtual bool may_bind(Ipv4Address address) = 0;
  // The address that packets to `destination` leave from, by this device (0xffff: any); empty: no
  // route leads there.
  virtual std::optional<Ipv4Address> source_for(Ipv4Address destination, std::uint16_t device) = 0;
  // The device's index, -1: there is none; and its name, empty: there is none.
  virtual int device_index(const char* name) = 0;
  virtual bool device_name(unsigned index, char (&name)[16]) = 0;
};

}  // namespace linnet::shim
