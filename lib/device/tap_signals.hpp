// SPDX-License-Identifier: BSD-3-Clause
// net_tap asks the kernel for a real-time signal with every frame, and reads the tap only after
// its handler has run: in whichever thread the kernel chooses, which may be one that is not
// scheduled for long. As long as the handler has never run, the driver reads at every poll; a lane
// that sleeps on the descriptor needs nothing else. So no signal is let through, ever.
#pragma once

#include <csignal>

namespace linnet::device {

// Holds back the real-time signals of the calling thread, and of threads that it starts, while it
// lives. All threads of the process must have been started so before a tap is made.
class RealTimeSignalsHeld {
 public:
  RealTimeSignalsHeld();
  ~RealTimeSignalsHeld();
  RealTimeSignalsHeld(const RealTimeSignalsHeld&) = delete;
  RealTimeSignalsHeld& operator=(const RealTimeSignalsHeld&) = delete;

 private:
  sigset_t before_;
};

// Ends the signals of a tap's descriptor and takes back those that wait. The calling thread holds
// them.
void silence_tap(int fd);

}  // namespace linnet::device
