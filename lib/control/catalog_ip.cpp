// SPDX-License-Identifier: BSD-3-Clause
// The `ip` commands (iproute2: ip.c, iplink.c, ipaddress.c, iproute.c, iprule.c, ipneigh.c): which
// words are abbreviated and in which order they are tried is theirs.
#include "control/catalog_tables.hpp"

namespace linnet::control {
namespace {

using enum Operand;

constexpr std::string_view kListNames[] = {"list", "lst"};
constexpr std::string_view kChangeNames[] = {"chg"};
constexpr std::string_view kSetNames[] = {"change"};
constexpr std::string_view kNeighbourNames[] = {"neighbor"};

constexpr Keyword kLinkShow[] = {{"up", kWhole}, {"dev", kWhole, Device}};
constexpr Keyword kLinkSet[] = {{"up", kWhole},
                                {"down", kWhole},
                                {"address", kShort, Mac},
                                {"mtu", kWhole, Number},
                                {"allmulticast", kWhole, OnOff},
                                {"promisc", kWhole, OnOff},
                                {"dev", kWhole, Device}};
constexpr Verb kLink[] = {
    {"set", kSetNames,
     "[dev] DEVICE [up | down] [mtu BYTES] [address MAC] [promisc on|off] [allmulticast on|off]",
     "Changes a device: all of it or, where a part is refused, none.", kLinkSet, Device,
     "ip link set tap0 mtu 9000 up"},
    {"show", kListNames, "[[dev] DEVICE] [up]",
     "Lists devices with their flags, MTU, state and MAC address; with -s their counters, twice "
     "for "
     "each queue's.",
     kLinkShow, Device, "ip -s link show tap0"},
};

constexpr Keyword kAddressFilter[] = {{"to", kWhole, Prefix}, {"scope", kWhole, Scope},
                                      {"up", kWhole},         {"primary", kWhole},
                                      {"secondary", kWhole},  {"tentative", kWhole},
                                      {"dadfailed", kWhole},  {"dev", kWhole, Device}};
constexpr Keyword kAddressAdd[] = {
    {"broadcast", kShort, Broadcast}, {"brd", kWhole, Broadcast, "broadcast"},
    {"scope", kWhole, Scope},         {"dev", kWhole, Device},
    {"noprefixroute", kWhole},        {"local", kWhole, Interface}};
constexpr Keyword kAddressDelete[] = {{"dev", kWhole, Device}, {"local", kWhole, Interface}};
constexpr Verb kAddress[] = {
    {"add",
     {},
     "[local] ADDRESS[/LENGTH] [broadcast ADDRESS|+|-] [scope SCOPE] [noprefixroute] dev DEVICE",
     "Gives a device an address, with its local, broadcast and connected routes.",
     kAddressAdd,
     Interface,
     "ip addr add 192.0.2.1/24 dev tap0"},
    {"delete",
     {},
     "[local] ADDRESS[/LENGTH] dev DEVICE",
     "Takes an address away; with a primary its secondaries go as well.",
     kAddressDelete,
     Interface,
     "ip addr del 192.0.2.1/24 dev tap0"},
    {"show", kListNames,
     "[[dev] DEVICE] [up] [scope SCOPE] [to PREFIX] [primary | secondary] [tentative] [dadfailed]",
     "Lists devices and their addresses.", kAddressFilter, Device, "ip -br addr"},
    {"flush",
     {},
     "[dev] DEVICE [up] [scope SCOPE] [to PREFIX] [primary | secondary] [tentative] [dadfailed]",
     "Takes away all addresses of a device that fit.",
     kAddressFilter,
     Device,
     "ip addr flush dev tap0"},
};

constexpr Keyword kRouteFilter[] = {{"table", kShort, Table},
                                    {"tos", kShort, Number},
                                    {"dsfield", kShort, Number, "tos"},
                                    {"protocol", kShort, Protocol},
                                    {"scope", kShort, Scope},
                                    {"type", kShort, RouteType},
                                    {"dev", kWhole, Device},
                                    {"oif", kWhole, Device, "dev"},
                                    {"via", kWhole, Address},
                                    {"src", kWhole, Address},
                                    {"metric", kShort, Number},
                                    {"to", kWhole, Prefix, "exact"},
                                    {"root", kShort, Prefix},
                                    {"match", kShort, Prefix},
                                    {"exact", kShort, Prefix}};
constexpr Keyword kRouteChange[] = {{"src", kWhole, Address},
                                    {"via", kWhole, Address},
                                    {"tos", kShort, Number},
                                    {"dsfield", kShort, Number, "tos"},
                                    {"metric", kShort, Number},
                                    {"priority", kShort, Number, "metric"},
                                    {"preference", kShort, Number, "metric"},
                                    {"scope", kWhole, Scope},
                                    {"mtu", kWhole, Number},
                                    {"onlink", kWhole},
                                    {"nexthop", kWhole},
                                    {"protocol", kShort, Protocol},
                                    {"table", kShort, Table},
                                    {"dev", kWhole, Device},
                                    {"oif", kWhole, Device, "dev"},
                                    {"weight", kWhole, Number},
                                    {"to", kWhole, Prefix}};
constexpr Keyword kRouteGet[] = {
    {"from", kShort, Address}, {"tos", kShort, Number}, {"dsfield", kShort, Number, "tos"},
    {"iif", kShort, Device},   {"oif", kShort, Device}, {"dev", kWhole, Device, "oif"},
    {"mark", kShort, Number},  {"to", kWhole, Address}};
constexpr std::string_view kRouteUsage =
    "[TYPE] PREFIX [via ADDRESS] [dev DEVICE] [src ADDRESS] [metric N] [table TABLE] [scope SCOPE] "
    "[proto PROTOCOL] [tos TOS] [mtu BYTES] [onlink] "
    "[nexthop [via ADDRESS] [dev DEVICE] [weight 1..256] [onlink]]...";
constexpr std::string_view kRouteFilterUsage =
    "[[root | match | exact] PREFIX] [table TABLE|all] [dev DEVICE] [via ADDRESS] [src ADDRESS] "
    "[proto PROTOCOL] [scope SCOPE] [type TYPE] [tos TOS] [metric N]";
constexpr Verb kRoute[] = {
    {"show", kListNames, kRouteFilterUsage,
     "Lists the routes that fit, of table main where none is named.", kRouteFilter, Prefix,
     "ip route show table all"},
    {"get",
     {},
     "ADDRESS [from ADDRESS] [iif DEVICE] [oif DEVICE] [mark N] [tos TOS]",
     "Tells the route that a packet to the address takes.",
     kRouteGet,
     Address,
     "ip route get 198.51.100.7 from 192.0.2.9 iif tap0"},
    {"add",
     {},
     kRouteUsage,
     "Adds a route; refused where one of its prefix, TOS and metric exists.",
     kRouteChange,
     Prefix,
     "ip route add default via 192.0.2.254"},
    {"change", kChangeNames, kRouteUsage, "Replaces a route that exists.", kRouteChange, Prefix,
     "ip route change default via 192.0.2.253"},
    {"replace",
     {},
     kRouteUsage,
     "Adds a route or replaces the one of its prefix, TOS and metric.",
     kRouteChange,
     Prefix,
     "ip route replace 203.0.113.0/24 via 192.0.2.254 metric 10"},
    {"append",
     {},
     kRouteUsage,
     "Adds a route behind those of its prefix, TOS and metric.",
     kRouteChange,
     Prefix,
     "ip route append 203.0.113.0/24 via 192.0.2.250"},
    {"delete",
     {},
     kRouteUsage,
     "Removes the first route that agrees with all that is named.",
     kRouteChange,
     Prefix,
     "ip route del 203.0.113.0/24"},
    {"flush",
     {},
     kRouteFilterUsage,
     "Removes all routes that fit; something must be named. Routes of table local stay unless it "
     "is "
     "named.",
     kRouteFilter,
     Prefix,
     "ip route flush proto static"},
};

constexpr Keyword kRuleKeywords[] = {{"from", kWhole, Prefix},
                                     {"to", kWhole, Prefix},
                                     {"preference", kShort, Number, "priority"},
                                     {"order", kShort, Number, "priority"},
                                     {"priority", kShort, Number},
                                     {"tos", kWhole, Number},
                                     {"dsfield", kShort, Number, "tos"},
                                     {"fwmark", kWhole, Mark},
                                     {"table", kShort, Table},
                                     {"lookup", kWhole, Table, "table"},
                                     {"dev", kWhole, Name, "iif"},
                                     {"iif", kWhole, Name},
                                     {"oif", kWhole, Name},
                                     {"type", kWhole, RouteType},
                                     {"blackhole", kWhole},
                                     {"unreachable", kWhole},
                                     {"prohibit", kWhole}};
constexpr std::string_view kRuleUsage =
    "[from PREFIX|all] [to PREFIX|all] [tos TOS] [fwmark MARK[/MASK]] [iif NAME] [oif NAME] "
    "[priority N] [lookup|table TABLE | blackhole | unreachable | prohibit | type TYPE]";
constexpr Verb kRule[] = {
    {"show",
     kListNames,
     "",
     "Lists the rules in the order in which they are asked.",
     {},
     None,
     "ip rule"},
    {"add",
     {},
     kRuleUsage,
     "Adds a rule; without a priority in front of all but the first.",
     kRuleKeywords,
     None,
     "ip rule add from 192.0.2.0/25 lookup 100"},
    {"delete",
     {},
     kRuleUsage,
     "Removes the first rule that agrees with all that is named.",
     kRuleKeywords,
     None,
     "ip rule del priority 100"},
};

constexpr Keyword kNeighShow[] = {
    {"dev", kWhole, Device}, {"nud", kWhole, Nud}, {"proxy", kWhole}, {"to", kWhole, Prefix}};
constexpr Keyword kNeighChange[] = {{"lladdr", kWhole, Mac},
                                    {"nud", kWhole, Nud},
                                    {"proxy", kShort, Address},
                                    {"dev", kWhole, Device},
                                    {"to", kWhole, Address}};
constexpr Keyword kNeighDelete[] = {
    {"proxy", kShort, Address}, {"dev", kWhole, Device}, {"to", kWhole, Address}};
constexpr std::string_view kNeighUsage =
    "[to] ADDRESS lladdr MAC dev DEVICE [nud permanent|reachable|stale|noarp] | proxy ADDRESS dev "
    "DEVICE";
constexpr Verb kNeigh[] = {
    {"add",
     {},
     kNeighUsage,
     "Adds a neighbour, permanent where no state is named, or an address to answer for.",
     kNeighChange,
     Address,
     "ip neigh add 192.0.2.7 lladdr 02:00:5e:10:00:07 dev tap0"},
    {"change", kChangeNames, kNeighUsage, "Changes a neighbour that exists.", kNeighChange, Address,
     "ip neigh change 192.0.2.7 lladdr 02:00:5e:10:00:08 dev tap0"},
    {"replace",
     {},
     kNeighUsage,
     "Adds or changes a neighbour.",
     kNeighChange,
     Address,
     "ip neigh replace 192.0.2.7 lladdr 02:00:5e:10:00:08 dev tap0 nud reachable"},
    {"delete",
     {},
     "[to] ADDRESS dev DEVICE | proxy ADDRESS dev DEVICE",
     "Removes a neighbour.",
     kNeighDelete,
     Address,
     "ip neigh del 192.0.2.7 dev tap0"},
    {"show", kListNames, "[[to] PREFIX] [dev DEVICE] [nud STATE] [proxy]",
     "Lists the neighbours that fit, but for those of state NOARP unless it is named; with -s when "
     "they were used, confirmed and updated, in seconds.",
     kNeighShow, Prefix, "ip -s neigh show dev tap0"},
    {"get",
     {},
     "[to] ADDRESS dev DEVICE | proxy ADDRESS dev DEVICE",
     "Tells one neighbour, whatever its state.",
     kNeighDelete,
     Address,
     "ip neigh get 192.0.2.7 dev tap0"},
    {"flush",
     {},
     "[[to] PREFIX] [dev DEVICE] [nud STATE] [proxy] | all",
     "Removes the neighbours that fit, but for permanent ones unless that state is named.",
     kNeighShow,
     Prefix,
     "ip neigh flush dev tap0"},
};

constexpr Verb kMetrics[] = {
    {"flush",
     {},
     "[all]",
     "Forgets what is remembered of servers: cookies of Fast Open, their MSS.",
     {},
     None,
     "ip tcp_metrics flush"},
};

constexpr std::string_view kMetricsNames[] = {"tcpmetrics"};
constexpr std::string_view kAddressNames[] = {"addr"};

}  // namespace

constexpr Group kIpGroups[] = {
    {"ip", "address", kAddressNames, "Addresses of devices", "show", kAddress},
    {"ip", "route", {}, "Routing tables", "show", kRoute},
    {"ip", "rule", {}, "Rules that choose the routing table", "show", kRule},
    {"ip", "neighbour", kNeighbourNames, "Neighbours (ARP)", "show", kNeigh},
    {"ip", "link", {}, "Devices", "show", kLink},
    {"ip", "tcp_metrics", kMetricsNames, "What is remembered of servers", "", kMetrics},
};

std::span<const Group> ip_groups() {
  return kIpGroups;
}

}  // namespace linnet::control
