// SPDX-License-Identifier: BSD-3-Clause
// The control core's face: what `ip neigh` asks for, and Linux's errors.
#include "neigh/system.hpp"

#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using Change = System::Change;
using DeviceEvent = System::DeviceEvent;
using time::Duration;

class SystemTest : public NeighFixture {
 protected:
  System::Request request(Nud state = Nud::Permanent) { return {0, kPeer, kPeerMac, state}; }
  std::string error_of(const Result<>& result) { return result.ok() ? "" : result.error().message; }
  std::vector<NeighbourInfo> list() {
    std::vector<NeighbourInfo> out;
    system_->list(clock_.now(), [&](const NeighbourInfo& info) { out.push_back(info); });
    return out;
  }
};

TEST_F(SystemTest, AddMakesAnEntryOnceAndASecondAddSaysFileExists) {
  EXPECT_TRUE(system_->change(request(), Change::Add).ok());
  EXPECT_EQ(error_of(system_->change(request(), Change::Add)), "File exists") << "not yet made";
  run();
  EXPECT_EQ(error_of(system_->change(request(), Change::Add)), "File exists");
  EXPECT_EQ(state(), Nud::Permanent);
  EXPECT_EQ(entry()->mac, kPeerMac);
}

TEST_F(SystemTest, BatchOfRequestsSeesItself) {
  EXPECT_TRUE(system_->change(request(), Change::Replace).ok());
  EXPECT_TRUE(system_->remove(0, kPeer).ok());
  EXPECT_EQ(error_of(system_->remove(0, kPeer)), "No such file or directory");
  EXPECT_TRUE(system_->change(request(Nud::Stale), Change::Add).ok());
  run();
  EXPECT_EQ(state(), Nud::Stale);
  EXPECT_TRUE(system_->remove(0, kPeer).ok());
  run();
  EXPECT_EQ(state(), Nud::None);
  EXPECT_EQ(error_of(system_->remove(0, kPeer)), "No such file or directory");
}

TEST_F(SystemTest, ChangeNeedsAnEntryAndReplaceDoesNot) {
  EXPECT_EQ(error_of(system_->change(request(), Change::Change)), "No such file or directory");
  EXPECT_TRUE(system_->change(request(), Change::Replace).ok());
  run();
  auto other = request(Nud::Reachable);
  other.mac = kOtherMac;
  EXPECT_TRUE(system_->change(other, Change::Change).ok());
  run();
  EXPECT_EQ(state(), Nud::Reachable);
  EXPECT_EQ(entry()->mac, kOtherMac);
}

TEST_F(SystemTest, WithoutMacTheEntryKeepsItsOwn) {
  auto bare = request(Nud::Permanent);
  bare.mac.reset();
  EXPECT_EQ(error_of(system_->change(bare, Change::Add)), "Invalid argument: no lladdr");
  make_reachable();
  EXPECT_TRUE(system_->change(bare, Change::Replace).ok());
  run();
  EXPECT_EQ(state(), Nud::Permanent);
  EXPECT_EQ(entry()->mac, kPeerMac);
}

TEST_F(SystemTest, WrongRequestsAreRefusedAndChangeNothing) {
  auto wrong = request();
  wrong.device = 40;
  EXPECT_EQ(error_of(system_->change(wrong, Change::Add)), "Cannot find device");
  wrong = request();
  wrong.device = 2;
  EXPECT_NE(error_of(system_->change(wrong, Change::Add)), "");
  wrong = request();
  wrong.mac = MacAddress::broadcast();
  EXPECT_EQ(system_->change(wrong, Change::Add).error().word, "ff:ff:ff:ff:ff:ff");
  for (const Nud bad : {Nud::None, Nud::Incomplete, Nud::Failed})
    EXPECT_EQ(system_->change(request(bad), Change::Add).error().word, name_of(bad));
  for (const Ipv4Address bad :
       {Ipv4Address(), Ipv4Address(224, 0, 0, 1), Ipv4Address(255, 255, 255, 255)}) {
    wrong = request();
    wrong.address = bad;
    EXPECT_EQ(system_->change(wrong, Change::Add).error().word, bad.text());
    EXPECT_FALSE(system_->remove(0, bad).ok());
  }
  run();
  EXPECT_TRUE(list().empty());
}

TEST_F(SystemTest, EveryStateThatCanBeSetIsSet) {
  for (const Nud wanted :
       {Nud::Permanent, Nud::NoArp, Nud::Reachable, Nud::Stale, Nud::Delay, Nud::Probe}) {
    set(wanted);
    EXPECT_EQ(state(), wanted);
  }
  EXPECT_EQ(arps(sent()), 1u) << "PROBE asks at once";
}

TEST_F(SystemTest, ListTellsEntriesAndProxies) {
  set(Nud::Permanent);
  make_reachable(Ipv4Address(192, 0, 2, 8), kOtherMac);
  ASSERT_TRUE(system_->add_proxy(1, Ipv4Address(10, 0, 0, 9)).ok());
  ASSERT_TRUE(system_->add_proxy(1, Ipv4Address(10, 0, 0, 9)).ok()) << "as Linux";
  run();
  run_for(Duration::seconds(3));
  const auto all = list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].state, Nud::Permanent);
  EXPECT_EQ(all[1].state, Nud::Reachable);
  EXPECT_EQ(all[1].mac, kOtherMac);
  EXPECT_EQ(all[1].confirmed_ago, Duration::seconds(3));
  EXPECT_EQ(all[1].used_ago, Duration::seconds(3));
  EXPECT_TRUE(all[2].proxy);
  EXPECT_EQ(all[2].device, 1);
  ASSERT_TRUE(system_->remove_proxy(1, Ipv4Address(10, 0, 0, 9)).ok());
  EXPECT_EQ(error_of(system_->remove_proxy(1, Ipv4Address(10, 0, 0, 9))),
            "No such file or directory");
  run();
  EXPECT_EQ(list().size(), 2u);
}

TEST_F(SystemTest, FlushSparesPermanentEntriesUnlessTheyAreNamed) {
  set(Nud::Permanent, Ipv4Address(192, 0, 2, 10));
  set(Nud::NoArp, Ipv4Address(192, 0, 2, 11));
  set(Nud::Stale, Ipv4Address(192, 0, 2, 12));
  set(Nud::Reachable, Ipv4Address(192, 0, 2, 13));
  EXPECT_EQ(system_->flush(0, Nud::Stale).value(), 1u);
  run();
  EXPECT_EQ(list().size(), 3u);
  EXPECT_EQ(system_->flush(1, std::nullopt).value(), 0u);
  EXPECT_EQ(system_->flush(std::nullopt, std::nullopt).value(), 1u);
  run();
  EXPECT_EQ(list().size(), 2u);
  EXPECT_EQ(system_->flush(std::nullopt, Nud::Permanent).value(), 1u);
  run();
  ASSERT_EQ(list().size(), 1u);
  EXPECT_EQ(list()[0].state, Nud::NoArp);
  EXPECT_EQ(system_->flush(50, std::nullopt).error().message, "Cannot find device");
}

TEST_F(SystemTest, CarrierLossKeepsPermanentEntriesAndAdminDownDoesNot) {
  for (const auto event :
       {DeviceEvent::CarrierDown, DeviceEvent::AdminDown, DeviceEvent::MacChanged}) {
    set(Nud::Permanent);
    set(Nud::Reachable, Ipv4Address(192, 0, 2, 8));
    ASSERT_TRUE(system_->change({1, kPeer, kPeerMac, Nud::Stale}, Change::Replace).ok());
    run();
    send_to(Ipv4Address(192, 0, 2, 9));
    ASSERT_TRUE(system_->device_changed(0, event).ok());
    run();
    EXPECT_EQ(list().size(), event == DeviceEvent::CarrierDown ? 2u : 1u);
    EXPECT_EQ(state(kPeer, 1), Nud::Stale) << "the other device's stay";
    EXPECT_EQ(ledger_.held.value(), 0u);
  }
  EXPECT_EQ(drops(Drop::EntryDeleted), 3u);
  sent();
}

TEST_F(SystemTest, NewMacOfTheDeviceIsInLaterFrames) {
  make_reachable();
  const MacAddress changed({2, 0, 0, 0, 0, 0x77});
  ASSERT_TRUE(devices_.at(0)->set_mac(changed).ok());
  ASSERT_TRUE(system_->device_changed(0, DeviceEvent::MacChanged).ok());
  run();
  send_to(kPeer);
  reply_in();
  for (const Sent& frame : sent())
    EXPECT_EQ(frame.link.source, changed);
}

TEST_F(SystemTest, FullRingIsAnErrorAndNothingIsPosted) {
  unsigned posted = 0;
  while (posted < 100000 && system_->forget_address(0, kPeer).ok())
    ++posted;
  EXPECT_GE(posted, 4096u + 1024);
  EXPECT_LT(posted, 100000u);
  EXPECT_FALSE(system_->change(request(), Change::Add).ok());
  EXPECT_TRUE(system_->work_for_owner());
  while (system_->work_for_owner())
    run();
  EXPECT_TRUE(system_->change(request(), Change::Add).ok());
}

TEST_F(SystemTest, OptionsOutOfRangeAreRefused) {
  auto options = default_options();
  options.capacity = 3;
  EXPECT_EQ(System::create(options, devices_, host_).error().word, "3");
  options = default_options();
  options.pending_packets = 0;
  EXPECT_FALSE(System::create(options, devices_, host_).ok());
  options = default_options();
  options.ring = 1;
  EXPECT_FALSE(System::create(options, devices_, host_).ok());
}

}  // namespace
}  // namespace linnet::neigh
