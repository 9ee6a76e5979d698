# Compares pairs of upstreams that differ only in session_sticky. Both get the same requests; those to the one with
# session_sticky also have a cookie for the server that the other one selected. The responses (status, header and body), the
# servers tried and their order, and the counters must be the same.
#
#   my @cases = ({name => 'what it is', ...}, ...);
#   fill($block, twins(ZONE, LOCATIONS, @cases));   the http block: the name of a zone, or '', and further locations, in
#                                           which NAME is the upstream's name
#   compare($servers, @cases);              in a "client" section; $servers are FaultyServers
#
# A case has
#   servers    the servers of the upstream, by default A and B
#   balancer   least_conn; for example
#   sticky     parameters of session_sticky
#   location   directives of the location
#   plain      {servers, location}: those of the upstream without session_sticky, if they differ. The counters of a server
#              that it lacks, or that is "down" in it, are not compared
#   request    a list of requests, by default one. Each is a plan for FaultyServers, or {plan, method, args, body};
#              with {later => 1} it is sent after three seconds
#   cookie     the ID in the cookie, if it is not that of the server that the load-balancing method selects
#   wants      the expected result of the last request:
#              "STATUS of SERVERS, fails FAILS, bound to SERVER", as story() returns it
#
# All cases run at the same time: first the first request of each, then the second, and so on.

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

# Before 1.19.6, nginx counts a server that is down as one that can be tried.
sub tries {
    my ($servers) = @_;
    return '' if $version >= 20 || $servers !~ /\bdown\b/;
    return 'proxy_next_upstream_tries ' . (grep { !/\bdown\b/ } $servers =~ /server [^;]*;/g) . ';';
}

# Part of the names of requests, which must be unique in a file.
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

# The requests that the servers received: {'1-plain-3-0' => "1985 ok", ...}
sub seen {
    my ($servers) = @_;
    my %seen;
    for ($servers->log) {
        my ($port, $id, $word) = split ' ';
        $seen{$id} .= "$port $word, " if $port =~ /^\d+$/ && $id ne 'gone' && $id ne '-';
    }
    return \%seen;
}

# A response without the parts that always differ.
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
        . ', ' . ($cookie =~ /^route=127\.0\.0\.1:(\d+)/ ? "bound to $1" : 'no new cookie');
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
        # Longer than the second for which responses may be cached.
        sleep 3 if grep { ref && $_->{later} } map { ($_->{request} // [])->[$nth] } @cases;
        my @now = try_all('plain', $nth, \@cases, []);
        for my $number (0 .. $#cases) {
            # If no server was tried, the cookie does not change.
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
               join("\n", map { $seen->{"$run-plain-$number-$_"} // '' } 0 .. $rounds - 1) =~ s/plain_/sticky_/gr, "$what: the servers received the same requests");
        equals(story($last[$number], $counters->{sticky}), $case->{wants}, "$what: result of the last request")
            if defined $case->{wants};
        holds(!grep({ $_->{conns} || $_->{refs} } @{$counters->{sticky}}), "$what: no connection or reference is left");
    }
    my $zone = zone('sticky_0');
    holds(!$zone || !$zone->{lost} && !$zone->{zombies}, 'nothing is lost in the zone');
}

1;
