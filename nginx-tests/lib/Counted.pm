# The counters of session_sticky_status, compared with the variables that are logged for the same requests.
#
# counted_sections(SERVERS, MORE), called after client_sections(), creates the servers A, B and C, which respond with their name
# and also contain the text SERVERS, and gives blocks these sections; MORE is {workers => 4}, for example
#   upstreams  upstream blocks, in which A: is the address of A (lib/Upstreams.pm); /NAME/ is passed to upstream NAME
#   locations  inserted into the server on port 1983, which has session_sticky_status at /status
#   more       inserted into the http block
#   since, before  skip the block with older versions of nginx, or with this one and newer ones
# At the end of a block's "client", the counters must have the expected values.
#
#   counts(PATH, COOKIE, WANTED)   sends a request, and checks what it counts
#   counts_of(SUB, WANTED, WHAT)   the same for the requests that SUB sends; returns what SUB returns
#   wants(WANTED)                  expects this to be counted by the end of the block
#   begin_anew()                   ignores everything counted before
#   counted(NAME)                  the status document, or its entry for an upstream
#   as_wanted(WHAT)                a test: the counters have changed as expected since the block began
#
# WANTED has a text for each request and each subrequest passed to a sticky upstream, joined with " | ":
#   u bound/valid/none A             upstream, status, verdict, action, and the server that it is counted for
#   u bound/valid/none A?            the server has not responded, and is not in the log
#   u new/none/none -                no server
#   u moved/down/inserted A, away D  also counted as a session of D that moved away
#   own off                          a load-balancing method that the module does not follow
#   u off/unused/none A              persistence is off for the request, which is not counted for a server
#   +u ...                           not in the log: the request was then passed to another upstream

package Counted;

use strict;
use warnings;

use Client;
use Exporter 'import';
use JSON::PP ();
use Servers;
use Test::Nginx::Socket ();
use Upstreams;

our @EXPORT = qw(counted_sections counts counts_of wants begin_anew counted as_wanted);

my @variables = map { "\$session_sticky_$_" } qw(status verdict action server);
my $format = join ' ', @variables, '$uri', '$request_uri';

sub log_name { return Test::Nginx::Util::server_root() . '/logs/sessions.log' }

sub counted_sections {
    my ($text, $more) = @_;
    my $servers = servers(qq[location / { return 200 "NAME"; }\n] . ($text // ''), qw(A B C));
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $log = log_name();
        my $upstreams = $servers . "log_format sessions '$format';\naccess_log $log sessions;\nlog_subrequest on;\n" . ($block->more // '') . addressed($block->upstreams // '');
        $block->set_value(http_config => entrance($upstreams, <<"_EOC_"));
location = /status { session_sticky_status; access_log off; }
location = /file { return 200 "file"; }
location /nothing { return 200 "nothing"; }
@{[$block->locations // '']}
_EOC_
        if (defined(my $client = client_of($block))) {
            $block->set_value(client => sub { begin_anew(); $client->(); as_wanted('all that was counted') });
        }
        $block->set_value(skip_nginx => '5: < ' . $block->since) if defined $block->since;
        $block->set_value(skip_nginx => '5: > ' . $block->before) if defined $block->before;
        $block->set_value(workers => $more->{workers}) if $more->{workers};
        $block->set_value(no_error_log => "[alert]\n[emerg]\n") if !defined $block->no_error_log && !defined $block->error_log;
    });
}

sub counted {
    my ($name) = @_;
    my $socket = say_to_nginx("GET /status?format=json HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983);
    my $document = eval { JSON::PP->new->utf8->decode(body(response($socket))) } // {upstreams => []};
    return $document if !defined $name;
    return (grep { $_->{name} eq $name } @{$document->{upstreams}})[0];
}

# Letters for addresses: those of servers on 127.0.0.1 that have one.
sub letters {
    my %names = map { $line{$_} => $_ } keys %line;
    return \%names;
}

# All numbers of the document, by their place in it.
sub numbers {
    my %numbers;
    my $names = letters();
    for my $upstream (@{counted()->{upstreams}}) {
        my $name = $upstream->{name};
        for my $kind (qw(requests verdicts actions)) {
            $numbers{"$name $kind.$_"} = $upstream->{$kind}{$_} for keys %{$upstream->{$kind}};
        }
        for my $server (@{$upstream->{servers}}) {
            my $address = $names->{$server->{address}} // $server->{address};
            # Servers with the same address have the same numbers.
            $numbers{"$name $address.$_"} = $server->{requests}{$_} for keys %{$server->{requests}};
            $numbers{"$name $address.away"} = $server->{moved_away};
        }
    }
    return \%numbers;
}

my ($begin, %wanted);

sub begin_anew {
    $begin = numbers();
    %wanted = ();
}

# The numbers that a text of WANTED increments.
sub numbers_of {
    my ($text) = @_;
    my ($name, $status, $verdict, $action, $server, $away) =
        $text =~ m{^\+?(\S+) (\w+)(?:/(\w+)/(\w+) (\S+)(?:, away (\S+))?)?\z} or die "what is \"$text\"?\n";
    my @numbers = "$name requests.$status";
    push @numbers, "$name verdicts." . ($verdict // 'unused'), "$name actions." . ($action // 'none');
    push @numbers, "$name $1.$status" if defined $server && $status ne 'off' && $server =~ /^([^-?][^?]*)/;
    push @numbers, "$name $away.away" if defined $away;
    return @numbers;
}

sub wants {
    my ($wanted) = @_;
    for my $text (split / \| /, $wanted) {
        $wanted{$_}++ for numbers_of($text);
    }
}

# The numbers that differ from BEFORE, as a text.
sub told {
    my ($numbers, $before) = @_;
    my @told = map { my $number = $numbers->{$_} - ($before->{$_} // 0); $number ? "$_=$number" : () } sort keys %$numbers;
    return join ', ', @told;
}

sub as_wanted {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $numbers;
    my %expected = (%$begin, map { $_ => $wanted{$_} + ($begin->{$_} // 0) } keys %wanted);
    soon(sub { $numbers = numbers(); told($numbers, \%expected) eq '' });
    return equals(told($numbers, \%expected), '', $what);
}

# The requests passed to a sticky upstream, from the lines of the log after this offset.
sub logged {
    my ($from, $names) = @_;
    open my $log, '<', log_name() or return;
    seek $log, $from, 0;
    my @lines;
    my $letters = letters();
    for (readline $log) {
        chomp;
        my ($status, $verdict, $action, $server, $path, $asked) = split / /;
        next if $status eq '-';
        my ($upstream) = grep { $names->{$_} } map { m{^/([^/?]+)} } $path, $asked;
        $upstream //= '?';
        $server = $letters->{$server} // $server;
        push @lines, $verdict eq '-' && $action eq '-' ? "$upstream $status" : "$upstream $status/$verdict/$action $server";
    }
    return sort @lines;
}

sub counts_of {
    my ($sub, $wanted, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $from = -s log_name() // 0;
    my $before = numbers();
    my $names = {map { (split / /)[0] => 1 } keys %$before};
    my @result = $sub->();

    my @texts = split / \| /, $wanted;
    my %numbers;
    $numbers{$_}++ for map { numbers_of($_) } @texts;
    my ($told, $expected) = (undef, told(\%numbers));
    soon(sub { $told = told(numbers(), $before); $told eq $expected });
    equals($told, $expected, "$what: the counters");

    my $lines = join ' | ', sort map { s/ [^-\s]\S*\?/ -/r } map { s/, away .*//r } grep { !/^\+/ } @texts;
    my $logged;
    soon(sub { $logged = join ' | ', logged($from, $names); $logged eq $lines });
    equals($logged, $lines, "$what: the log");
    wants($wanted);
    return wantarray ? @result : $result[0];
}

sub counts {
    my ($path, $cookie, $wanted) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return counts_of(sub { visit($path, $cookie, 1983) }, $wanted, "$path " . shortened($cookie // '-'));
}

sub shortened {
    my ($text) = @_;
    $text =~ s/\Q$id{$_}\E/$_/g for sort keys %id;
    return $text;
}

1;
