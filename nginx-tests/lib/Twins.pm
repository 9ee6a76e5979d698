# Twins: the same requests to two upstreams that differ in session_sticky alone. What the cookie names is the
# server that the balancer of the other one chose, so that both have to come to the same end: the same answer
# by the same servers in the same order, and the same counters. The answer is its status, header and body.
#
#   my @cases = ({name => 'what it is', ...}, ...);
#   fill($block, twins(ZONE, LOCATIONS, @cases));   into the http block: the name of a zone, or '', and
#                                           locations besides those of the cases, in which NAME is the upstream's
#   compare($servers, @cases);              in a "client" section; $servers are FaultyServers
#
# A case has
#   servers    the servers of the upstream, by default A and B
#   balancer   least_conn; for example
#   sticky     parameters of session_sticky
#   location   directives of the location
#   plain      {servers, location}: those of the one without session_sticky, where they are others. A server that it
#              lacks, or has as "down", has no counters to compare
#   request    a list of requests, by default one. Each is a plan for FaultyServers, or {plan, method, args, body};
#              with {later => 1} it comes three seconds later
#   cookie     the id in the cookie, if it is not that of the server that the balancer chooses
#   wants      what has to come of the last request besides:
#              "STATUS of SERVERS, fails FAILS, bound to SERVER", as story() puts it
#
# All cases run at the same time, the first request of each, then the second ...

package Twins;

use strict;
use warnings;

use Client;
use Counters;
use Exporter 'import';
use FaultyServers;
use Nginx;

our @EXPORT = qw(twins compare);

sub twins {
    my ($zone, $more, @cases) = @_;
    my $http = '';
    for my $number (0 .. $#cases) {
        my $case = $cases[$number];
        for my $kind ('plain', 'sticky') {
            my $name = "${kind}_$number";
            my $sticky = $kind eq 'sticky' ? 'session_sticky hash=plain ' . ($case->{sticky} // '') . ';' : '';
            $http .= "upstream $name {\n"
                . ($zone ? "zone $zone 8m;\n" : '')
                . ($case->{balancer} // '') . "\n"
                . ($kind eq 'plain' && $case->{plain} && $case->{plain}{servers} || $case->{servers}
                   || 'server 127.0.0.1:1985; server 127.0.0.1:1986;')
                . "\n$sticky }\n";
        }
    }
    my $front = front(unforgiving($http), sub {
        my ($kind, $number) = split /_/, $_[0];
        my $case = $cases[$number];
        return ($kind eq 'plain' && $case->{plain} ? $case->{plain}{location} : undef) // $case->{location} // '';
    }, $more);
    for my $number (0 .. $#cases) {
        my $tries = tries($cases[$number]{plain} && $cases[$number]{plain}{servers} // '');
        $front =~ s{location = /plain_$number\b\S* \{}{$& $tries}g;
    }
    return $front;
}

# Before 1.19.6 nginx takes a server that is down for one more that may be tried.
sub tries {
    my ($servers) = @_;
    return '' if $version >= 20 || $servers !~ /\bdown\b/;
    return 'proxy_next_upstream_tries ' . (grep { !/\bdown\b/ } $servers =~ /server [^;]*;/g) . ';';
}

# What names a request has to name no other of the same file.
my $run = 0;

sub begin {
    my ($kind, $number, $request, $nth, $cookie) = @_;
    $request = {plan => $request} if !ref $request;
    my $name = "${kind}_$number";
    return ask_for(($request->{plan} // 'ok') =~ s/\bNAME\b/$name/gr, $name, {
        id => "$run-$kind-$number-$nth",
        method => $request->{method},
        body => $request->{body},
        path => defined $request->{args} ? "?$request->{args}" : '',
        cookie => length $cookie ? "route=$cookie" : '',
    });
}

# Sends the nth request of each case, all at once, and returns the responses in order.
sub try_all {
    my ($kind, $nth, $cases, $cookies) = @_;
    my @asked = map {
        my $request = ($cases->[$_]{request} // ['ok'])->[$nth];
        defined $request ? begin($kind, $_, $request, $nth, $cookies->[$_] // '') : undef
    } 0 .. $#$cases;
    return map { $_ ? response($_) : undef } @asked;
}

# What the servers saw: {'1-plain-3-0' => "1985 ok", ...}
sub seen {
    my ($servers) = @_;
    my %seen;
    for ($servers->log) {
        my ($port, $id, $word) = split ' ';
        $seen{$id} .= "$port $word, " if $port =~ /^\d+$/ && $id ne 'gone' && $id ne '-';
    }
    return \%seen;
}

# Without what has to differ.
sub answered {
    my ($response, $upstream) = @_;
    my ($header, $body) = $response =~ /\A(.*?\r\n)\r\n(.*)\z/s ? ($1, $2) : ($response, '');
    $header =~ s/^(?:Date|Last-Modified|ETag|Set-Cookie|X-Worker): .*\n//mg;
    return "$header$body\n" =~ s/\b\Q$upstream\E\b/upstream/gr;
}

sub story {
    my ($response, $peers) = @_;
    my $cookie = set($response);
    my $tried = join ' ', map { /^127\.0\.0\.1:(\d+)$/ ? $1 : 'none' } split /[, :]{2,}/, head('X-Tried', $response);
    return status($response) . " of $tried, fails " . join(' ', map { $_->{fails} } @$peers)
        . ', ' . ($cookie =~ /^route=127\.0\.0\.1:(\d+)/ ? "bound to $1" : 'not bound anew');
}

sub counted {
    my ($peers, $names) = @_;
    return told([grep { $names->{$_->{name}} } @$peers]);
}

sub compare {
    my ($servers, @cases) = @_;
    my $rounds = (sort { $b <=> $a } map { scalar @{$_->{request} // ['ok']} } @cases)[0];
    $run++;
    $servers->log;
    my (@plain, @sticky, @last, @cookies);
    for my $nth (0 .. $rounds - 1) {
        # Longer than the second for which a cache may keep something.
        sleep 3 if grep { ref && $_->{later} } map { ($_->{request} // [])->[$nth] } @cases;
        my @now = try_all('plain', $nth, \@cases, []);
        for my $number (0 .. $#cases) {
            # A request for which no server was left leaves the cookie as it was.
            my ($first) = head('X-Tried', $now[$number] // '') =~ /^([^ ,]+:\d+)/;
            $cookies[$number] = $first if defined $first;
        }
        $cookies[$_] = $cases[$_]{cookie} // $cookies[$_] for 0 .. $#cases;
        my @then = try_all('sticky', $nth, \@cases, \@cookies);
        for my $number (grep { defined $now[$_] } 0 .. $#cases) {
            $plain[$number] .= answered($now[$number], "plain_$number");
            $sticky[$number] .= answered($then[$number], "sticky_$number");
            $last[$number] = $then[$number];
        }
    }
    my $until = time + patience();
    my @counters = map { {plain => settled("plain_$_", $until), sticky => settled("sticky_$_", $until)} } 0 .. $#cases;
    my $seen = seen($servers);
    for my $number (0 .. $#cases) {
        my ($case, $counters) = ($cases[$number], $counters[$number]);
        my $what = $case->{name};
        my $other = $case->{plain} && $case->{plain}{servers};
        my %counted = map { $_->{name} => !$other || !$_->{down} } @{$counters->{plain}};
        my ($of_plain, $of_sticky) = map { counted($counters->{$_}, \%counted) } 'plain', 'sticky';
        equals($sticky[$number] . $of_sticky, $plain[$number] . $of_plain, "$what: as without session_sticky");
        equals(join("\n", map { $seen->{"$run-sticky-$number-$_"} // '' } 0 .. $rounds - 1),
               join("\n", map { $seen->{"$run-plain-$number-$_"} // '' } 0 .. $rounds - 1) =~ s/plain_/sticky_/gr, "$what: the servers saw the same");
        equals(story($last[$number], $counters->{sticky}), $case->{wants}, "$what: what comes of it")
            if defined $case->{wants};
        holds(!grep({ $_->{conns} || $_->{refs} } @{$counters->{sticky}}), "$what: no connection or reference is left");
    }
    my $zone = zone('sticky_0');
    holds(!$zone || !$zone->{lost} && !$zone->{zombies}, 'nothing is lost in the zone');
}

1;
