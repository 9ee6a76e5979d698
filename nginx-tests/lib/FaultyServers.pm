# Servers that misbehave on demand, on ports of 127.0.0.1, in a process of their own.
#
#   my $servers = FaultyServers->new(PORT, ...);
#
# The header of a request defines what happens to it: "X-Id: 17" names it, and "X-Plan: reset ok" has a word for each try of
# it, on whichever port; further tries succeed.
#
#   ok            200, with the port as the body; any other number: that status
#   keep          200, and the connection stays open
#   invalid       a header that nginx rejects as invalid
#   empty         closes without sending a byte
#   reset         resets without sending a byte
#   header-empty  closes inside the header; header-reset: resets there
#   body-empty    closes inside the body; body-reset: resets there after go(ID)
#   hang          sends nothing; header-hang, body-hang: stops sending there
#   wait          200 after go(ID); wait-keep: and the connection stays open
#   upgrade       101, and then echoes everything until it receives "bye"
#   accel:URI     X-Accel-Redirect: URI
#   large         200, with a header of 8 kB
#   cache         200, cacheable for a minute
#
# full(PORT): a port whose queue is full, so that connecting never completes. closing(PORT): resets every connection at once.
#
#   front(HTTP, DIRECTIVES, LOCATIONS, LISTEN)
#                       the http block: HTTP, and a server on port 1980 with a location named after each upstream in HTTP,
#                       which passes to it and has these directives, or those that a sub returns for the name. The server
#                       also has these LOCATIONS for each upstream, with its name for NAME. LISTEN: parameters of "listen"
#   unforgiving(HTTP)   HTTP with a fail_timeout longer than any file runs, for servers without one
#   ask_for(PLAN, UPSTREAM, {id => 17, cookie => 'route=x', method => 'POST', body => 'x=y', ...})
#                       sends a request to it, and returns the connection
#   $servers->go(ID)    continues a request that waits
#   $servers->port_of(ID)   waits until a server has received this request, and returns its port
#   $servers->saw(LINE)     whether this line is in the log
#   $servers->log       the lines logged since the last call: "PORT ID WORD", or "PORT gone ID" for a request whose client
#                       closed the connection before the response
#
# The process ends with the object, and at the latest after half an hour.

package FaultyServers;

use strict;
use warnings;

use Client;
use Exporter 'import';
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Quiet;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes ('sleep', 'time');

use constant LIFE => 1800;

our @EXPORT = qw(front unforgiving ask_for);

# The upstreams of one server share a cookie here.
may_warn(qr/ is also that of upstream /);

my $log;
my (%tries, %waiting, %state);
my $select;

# nginx's timeouts: only requests that must time out take this long.
sub seconds { return $ENV{TEST_NGINX_USE_VALGRIND} ? 10 : 1 }

# A failed server stays unavailable while a file runs, unless its line has a fail_timeout.
sub unforgiving {
    my ($http) = @_;
    return $http =~ s/\bserver (?![^{;]*fail_timeout)[^{;]*\K;/ fail_timeout=600s;/gr;
}

# On its own port, since Test::Nginx adds locations and timeouts to its server.
sub front {
    my ($http, $directives, $more, $listen) = @_;
    $listen //= '';
    my $seconds = seconds();
    my $locations = '';
    for my $upstream ($http =~ /^\s*upstream (\w+)/mg) {
        my $own = (ref $directives ? $directives->($upstream) : $directives) =~ s/\bNAME\b/$upstream/gr;
        $own .= " proxy_pass http://$upstream;" if $own !~ /\b(?:proxy_pass|return)\b/;
        $locations .= "location = /$upstream { $own }\n";
        $locations .= ($more // '') =~ s/\bNAME\b/$upstream/gr;
    }
    return <<"_EOC_";
$http
server {
    listen 127.0.0.1:1980 backlog=4096 $listen;
    add_header X-Tried \$upstream_addr always;
    add_header X-Worker \$pid always;
    proxy_connect_timeout ${seconds}s;
    proxy_read_timeout ${seconds}s;
    proxy_send_timeout ${seconds}s;
    $locations
}
_EOC_
}

# Numbers requests: each has a unique name in its file.
my $asked = 0;

sub ask_for {
    my ($plan, $upstream, $how) = @_;
    my $id = $how->{id} // 'request-' . ++$asked;
    my $method = $how->{method} // 'GET';
    my $body = $how->{body} // ($method eq 'POST' ? 'x=y' : '');
    my $socket = connected(1980);
    print $socket "$method /$upstream" . ($how->{path} // '') . ' HTTP/' . ($how->{version} // '1.0') . "\r\n"
        . "Host: localhost\r\nX-Id: $id\r\nX-Plan: $plan\r\n"
        . (length($how->{cookie} // '') ? "Cookie: $how->{cookie}\r\n" : '')
        . (length $body ? 'Content-Length: ' . length($body) . "\r\n" : '')
        . ($how->{header} // '') . "\r\n$body";
    return $socket;
}

sub new {
    my ($class, @ports) = @_;
    my $self = bless {folder => File::Temp->newdir, parent => $$, port => $ports[0], read => 0}, $class;
    $self->{file} = $self->{folder} . '/log';
    my %listeners = map { my $socket = listener($_); ($socket => {socket => $socket, port => $_}) } @ports;
    $self->start(sub { attend(\%listeners) });
    $_->{socket}->close for values %listeners;
    return $self;
}

# A port that resets every connection at once.
sub closing {
    my ($self, $port) = @_;
    my $listener = listener($port);
    $self->start(sub {
        while (my $connection = $listener->accept) {
            note("$port - closing");
            cut($connection);
        }
    });
    $listener->close;
}

# A port whose queue is full.
sub full {
    my ($self, $port) = @_;
    my $listener = listener($port, 0);
    my @filling = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Blocking => 0)
    } 1 .. 8;
    push @{$self->{kept}}, $listener, @filling;
}

sub listener {
    my ($port, $queue) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => $queue // 1024, ReuseAddr => 1)
        || die "cannot listen on 127.0.0.1:$port: $!";
}

sub start {
    my ($self, $work) = @_;
    my $pid = fork // die "cannot fork: $!";
    if (!$pid) {
        alarm LIFE;
        $SIG{PIPE} = 'IGNORE';
        open $log, '>>', $self->{file} or POSIX::_exit(1);
        $log->autoflush(1);
        $work->();
        POSIX::_exit(0);
    }
    push @{$self->{pids}}, $pid;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{parent};
    local $?;
    for my $pid (@{$self->{pids}}) {
        kill TERM => $pid;
        waitpid $pid, 0;
    }
}

sub go {
    my ($self, $id) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) or return 0;
    print $socket "GET / HTTP/1.0\r\nX-Go: $id\r\n\r\n";
    return (readline($socket) // '') =~ /gone on/;
}

sub log {
    my ($self) = @_;
    my @lines = $self->lines_from($self->{read});
    $self->{read} += length join '', @lines;
    chomp @lines;
    return @lines;
}

sub lines_from {
    my ($self, $offset) = @_;
    open my $file, '<', $self->{file} or return;
    seek $file, $offset, 0;
    return grep { /\n\z/ } readline $file;
}

sub saw {
    my ($self, $line) = @_;
    return grep { $_ eq "$line\n" } $self->lines_from(0);
}

# Waits until a server has this request.
sub port_of {
    my ($self, $id) = @_;
    my $until = time + patience();
    while (time < $until) {
        my ($line) = grep { /^\d+ \Q$id\E / } $self->lines_from(0);
        return $line =~ s/ .*//sr if $line;
        sleep 0.02;
    }
    return 0;
}

sub note { print {$log} "$_[0]\n" }

# Resets instead of closing.
sub cut {
    my ($connection) = @_;
    setsockopt($connection, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
    forget($connection);
}

sub forget {
    my ($connection) = @_;
    $select->remove($connection) if $select;
    delete $state{$connection};
    close $connection;
}

sub attend {
    my ($listeners) = @_;
    $select = IO::Select->new(map { $_->{socket} } values %$listeners);
    while (my @ready = $select->can_read) {
        for my $socket (@ready) {
            if (my $listener = $listeners->{$socket}) {
                my $connection = $listener->{socket}->accept or next;
                $connection->autoflush(1);
                $state{$connection} = {port => $listener->{port}, text => ''};
                $select->add($connection);
            } else {
                hear($socket);
            }
        }
    }
}

sub hear {
    my ($connection) = @_;
    my $state = $state{$connection} or return;
    if (!sysread $connection, $state->{text}, 65536, length $state->{text}) {
        if (defined $state->{id}) {
            note("$state->{port} gone $state->{id}");
            delete $waiting{$state->{id}};
        }
        return forget($connection);
    }
    if ($state->{echo}) {
        my $text = $state->{text};
        $state->{text} = '';
        return forget($connection) if $text =~ /bye/;
        print $connection $text;
        return;
    }
    my ($header) = $state->{text} =~ /\A(.*?\r\n\r\n)/s or return;
    my $length = $header =~ /^Content-Length: (\d+)\r$/mi ? $1 : 0;
    return if length $state->{text} < length($header) + $length;
    substr($state->{text}, 0, length($header) + $length) = '';
    respond($connection, $state, $header);
}

sub respond {
    my ($connection, $state, $header) = @_;
    if ($header =~ /^X-Go: (.*?)\r$/mi) {
        my $work = delete $waiting{$1};
        $work->() if $work;
        print $connection $work ? "gone on\n" : "nothing waits\n";
        return forget($connection);
    }
    my ($id) = $header =~ /^X-Id: (.*?)\r$/mi;
    my ($plan) = $header =~ /^X-Plan: (.*?)\r$/mi;
    $id //= '-';
    my $word = (split ' ', $plan // '')[$tries{$id}++] // 'ok';
    note("$state->{port} $id $word");
    behave($connection, $state, $id, $word);
}

sub behave {
    my ($connection, $state, $id, $word) = @_;
    my $body = "$state->{port}\n";
    my $well = sub {
        my ($status, $more, $kept) = @_;
        print $connection "HTTP/1.1 $status Said\r\nContent-Length: " . length($body) . "\r\n"
            . 'Connection: ' . ($kept ? 'keep-alive' : 'close') . "\r\n" . ($more // '') . "\r\n$body";
        return $kept ? delete $state->{id} : forget($connection);
    };
    my $header = "HTTP/1.1 200 Said\r\nContent-Length: 100\r\nConnection: close\r\n";

    return $well->(200) if $word eq 'ok';
    return $well->($word) if $word =~ /^\d+$/;
    return $well->(200, '', 1) if $word eq 'keep';
    return $well->(200, "Cache-Control: max-age=60\r\n") if $word eq 'cache';
    return $well->(200, "X-Accel-Redirect: $1\r\n") if $word =~ /^accel:(.*)/;
    return $well->(200, 'X-Large: ' . 'x' x 8000 . "\r\n") if $word eq 'large';
    return forget($connection) if $word eq 'empty';
    return cut($connection) if $word eq 'reset';

    # From here on, the request does not end with the first bytes sent.
    $state->{id} = $id;
    if ($word eq 'invalid') {
        print $connection "${header}X-Invalid: \0\r\n\r\n";
        return forget($connection);
    }
    if ($word =~ /^(header|body)-(.*)/) {
        print $connection $1 eq 'header' ? "HTTP/1.1 200 Said\r\nX-Cut: he" : "$header\r\nhalf of it";
        return forget($connection) if $2 eq 'empty';
        return cut($connection) if "$1 $2" eq 'header reset';
        $waiting{$id} = sub { cut($connection) } if $2 eq 'reset';
        return;
    }
    if ($word =~ /^wait/) {
        $waiting{$id} = sub { $well->(200, '', $word eq 'wait-keep') };
        return;
    }
    if ($word eq 'upgrade') {
        print $connection "HTTP/1.1 101 Said\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        $state->{echo} = 1;
        return;
    }
    note("$state->{port} $id is no plan") if $word ne 'hang';
}

1;
